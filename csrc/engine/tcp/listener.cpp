#include "engine/tcp/listener.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace dlslime::tcp {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {
constexpr Nanos kStrangerTime = seconds(5);
constexpr Nanos kConfirmTime = seconds(10);
// A caller of ours says Hello as soon as it is connected.
constexpr Nanos kMakesRoomAfter = milliseconds(250);
constexpr Nanos kPauseWhenFull = milliseconds(50);
// Out of descriptors: trying again at once would only spin.
constexpr Nanos kPauseOnError = milliseconds(100);
constexpr int kAcceptsPerTurn = 16;
}  // namespace

// ---- seats ----

Seat::Seat(Listener& listener, PeerInfo peer, uint64_t link, LinkOwner& owner)
    : listener_(listener), peer_(std::move(peer)), link_(link), owner_(owner) {
  listener_.seats_.push_back(*this);
  listener_.fill(*this);
}

Seat::~Seat() {
  unlink();
  if (promised_) promised_->seat = nullptr;
}

Seat* Listener::free_seat(const Acceptor& caller) {
  for (Seat* seat = seats_.front(); seat; seat = seats_.next(*seat)) {
    if (!seat->promised_ && seat->waits_for(caller)) return seat;
  }
  return nullptr;
}

void Listener::fill(Seat& seat) {
  for (Caller& caller : known_) {
    if (caller.handshake.state() != Handshake::State::kParked || !seat.waits_for(caller.handshake)) continue;
    return promise(seat, caller);
  }
}

// ---- accepting ----

Status Listener::open(const SocketAddress& at) {
  SocketAddress bound;
  Status opened = listen_on(at, &fd_, &bound);
  if (opened.ok()) address_ = bound.to_string();
  return opened;
}

void Listener::start() {
  if (started_) return;
  const auto accept = [this](uint32_t) { accept_some(); };
  started_ = services_.reactor.add(fd_.get(), EPOLLIN, Reactor::Heat::kCold, accept).ok();
}

Listener::~Listener() {
  while (!strangers_.empty()) erase(strangers_.front());
  while (!known_.empty()) erase(known_.front());
  if (started_) services_.reactor.remove(fd_.get());
}

void Listener::pause(Nanos duration) {
  paused_ = true;
  resume_at_ = services_.clock.now() + duration;
  services_.reactor.modify(fd_.get(), 0);
}

bool Listener::make_room(Nanos now) {
  if (strangers_.size() < kMaxStrangers) return true;
  if (now - strangers_.front().since < kMakesRoomAfter) return false;
  erase(strangers_.front());
  return true;
}

void Listener::accept_some() {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    const Nanos now = services_.clock.now();
    if (!make_room(now)) return pause(kPauseWhenFull);
    UniqueFd fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd) {
      welcome(std::move(fd), now);
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return pause(kPauseOnError);
    }
  }
}

void Listener::welcome(UniqueFd fd, Nanos now) {
  tune(fd.get());
  strangers_.push_back({std::move(fd), Acceptor(services_.self), now, now + kStrangerTime});
  Caller& caller = strangers_.back();
  const Status watched = services_.reactor.add(caller.fd.get(), EPOLLIN, Reactor::Heat::kCold,
                                               [this, &caller](uint32_t) { happened(caller); });
  watched.ok() ? happened(caller) : drop(caller);
}

void Listener::tick(Nanos now) {
  if (paused_ && now >= resume_at_) {
    paused_ = false;
    services_.reactor.modify(fd_.get(), EPOLLIN);
  }
  drop_late(strangers_, now);
  drop_late(known_, now);
  if (!std::exchange(refill_, false)) return;
  for (Seat* seat = seats_.front(); seat;) {
    Seat* next = seats_.next(*seat);
    if (!seat->promised_) fill(*seat);
    seat = next;
  }
}

// ---- callers ----

void Listener::happened(Caller& caller) {
  using State = Handshake::State;
  // It must wait for us, so it has hung up.
  if (caller.handshake.state() == State::kParked) return drop(caller);
  const bool alive = exchange(caller.fd.get(), caller.handshake);
  const State state = caller.handshake.state();
  if (!alive || state == State::kFailed) return drop(caller);
  if (state == State::kParked) return identified(caller);
  if (state == State::kDone) return confirmed(caller);
}

void Listener::identified(Caller& caller) {
  const std::string id = caller.handshake.initiator();
  const auto same = std::count_if(known_.begin(), known_.end(),
                                  [&](const Caller& other) { return other.handshake.initiator() == id; });
  if (known_.size() >= kMaxParked || size_t(same) >= kMaxParkedPerPeer) return drop(caller);
  const auto at =
      std::find_if(strangers_.begin(), strangers_.end(), [&](const Caller& one) { return &one == &caller; });
  known_.splice(known_.end(), strangers_, at);
  caller.until = kNever;
  if (Seat* seat = free_seat(caller.handshake)) promise(*seat, caller);
}

void Listener::promise(Seat& seat, Caller& caller) {
  seat.promised_ = &caller;
  caller.seat = &seat;
  caller.until = services_.clock.now() + kConfirmTime;
  caller.handshake.admit(seat.peer_);
  happened(caller);
}

void Listener::confirmed(Caller& caller) {
  Seat* seat = std::exchange(caller.seat, nullptr);
  if (seat) seat->promised_ = nullptr;
  if (!seat) seat = free_seat(caller.handshake);
  if (!seat) return drop(caller);  // its endpoint was deleted meanwhile
  services_.reactor.remove(caller.fd.get());
  UniqueFd fd = std::move(caller.fd);
  erase(caller);
  seat->unlink();  // from now on it waits no more
  seat->owner_.connected(std::move(fd));
}

void Listener::drop(Caller& caller) {
  refill_ |= caller.seat != nullptr;  // another caller may have its place, at the next tick
  // What it has sent beyond our interest is read away, or closing would reset the connection under our
  // answer.
  std::byte rest[256];
  (void)!::recv(caller.fd.get(), rest, sizeof rest, MSG_DONTWAIT);
  erase(caller);
}

void Listener::erase(Caller& caller) {
  if (caller.seat) caller.seat->promised_ = nullptr;
  if (caller.fd) services_.reactor.remove(caller.fd.get());
  const auto is_it = [&caller](const Caller& one) { return &one == &caller; };
  if (!std::erase_if(strangers_, is_it)) std::erase_if(known_, is_it);
}

void Listener::drop_late(Callers& callers, Nanos now) {
  for (auto it = callers.begin(); it != callers.end();) {
    Caller& caller = *it++;
    if (caller.until <= now) drop(caller);
  }
}

}  // namespace dlslime::tcp
