#include "engine/tcp/dialer.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace dlslime::tcp {

Dialer::Dialer(const Services& services, const PeerInfo& peer, uint64_t link, const SocketAddress& address,
               Nanos budget, LinkOwner& owner)
    : services_(services), peer_(peer), link_(link), address_(address), budget_(budget), owner_(owner) {
  attempt();
}

Dialer::~Dialer() { hang_up(); }

void Dialer::hang_up() {
  if (fd_) services_.reactor.remove(fd_.get());
  fd_.reset();
}

void Dialer::attempt() {
  at_ = services_.clock.now();
  const Status begun = begin_connect(address_, &fd_);
  if (!begun.ok()) return failed(begun);
  state_ = State::kConnecting;
  const Status watched =
      services_.reactor.add(fd_.get(), EPOLLOUT, Reactor::Heat::kHot, [this](uint32_t) { happened(); });
  if (!watched.ok()) failed(watched);
}

void Dialer::tick(Nanos now) {
  if (state_ == State::kWaiting && now >= at_) return attempt();
  if (state_ == State::kConnecting && now - at_ > budget_) {
    finish(Status(Code::kLinkLost, "no answer"));
  }
}

void Dialer::happened() {
  if (state_ == State::kGreeting) return greet();
  if (const int error = take_error(fd_.get())) {
    return failed(Status(error == ECONNREFUSED ? Code::kPeerDied : Code::kLinkLost, error_text(error)));
  }
  state_ = State::kGreeting;
  services_.reactor.modify(fd_.get(), EPOLLIN);
  handshake_.emplace(services_.self, peer_, link_);
  greet();
}

void Dialer::greet() {
  const bool alive = exchange(fd_.get(), *handshake_);
  if (handshake_->state() == Handshake::State::kFailed) {
    const Code code = handshake_->failure().code();
    const bool final = code == Code::kMismatch || code == Code::kPeerDied;
    return final ? finish(handshake_->failure()) : failed(handshake_->failure());
  }
  if (!alive) return failed(Status(Code::kLinkLost, "the peer closed the connection during the handshake"));
  if (handshake_->state() != Handshake::State::kDone) return;
  state_ = State::kOver;
  unlink();
  services_.reactor.remove(fd_.get());
  owner_.connected(std::move(fd_));
}

void Dialer::failed(const Status& why) {
  const Nanos now = services_.clock.now();
  if (!first_failure_) first_failure_ = now;
  refusals_ = why.code() == Code::kPeerDied ? refusals_ + 1 : 0;
  if (refusals_ == kRefusals || now - *first_failure_ >= budget_) return finish(why);
  hang_up();
  state_ = State::kWaiting;
  at_ = now + back_off_;
  back_off_ = std::min(2 * back_off_, kLongestBackOff);
}

// By value: hanging up drops the handshake, whose failure this may be.
// NOLINTNEXTLINE(performance-unnecessary-value-param)
void Dialer::finish(Status why) {
  hang_up();
  state_ = State::kOver;
  unlink();
  const bool peer_known = why.code() == Code::kPeerDied || why.code() == Code::kMismatch;
  owner_.unreachable(
      Status(peer_known ? why.code() : Code::kLinkLost,
             "no connection to process " + peer_.id + " at " + address_.to_string() + ": " + why.what()));
}

}  // namespace dlslime::tcp
