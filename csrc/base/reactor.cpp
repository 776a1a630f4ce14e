#include "base/reactor.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace dlslime {
namespace {
// Without a hot descriptor epoll is asked once in so many passes: a system call would be most of an 8-byte operation. An operation
// whose peers are on time ends sooner, and makes none (Sleeper::rest).
constexpr unsigned kColdInterval = 128;
}  // namespace

Reactor::Reactor() : epoll_(epoll_create1(EPOLL_CLOEXEC)), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!epoll_ || !wake_) throw std::system_error(errno, std::generic_category(), "epoll");
  const Status added = add(wake_.get(), EPOLLIN, Heat::kCold, [this](uint32_t) {
    uint64_t count = 0;
    (void)!::read(wake_.get(), &count, sizeof count);
  });
  if (!added.ok()) throw Failure(added);
}

Status Reactor::add(int fd, uint32_t events, Heat heat, Handler handler) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return {Code::kUnavailable, std::string("epoll_ctl: ") + std::strerror(errno)};
  }
  entries_[fd] = Entry{heat, std::move(handler)};
  if (heat == Heat::kHot) ++hot_;
  return {};
}

void Reactor::modify(int fd, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void Reactor::remove(int fd) {
  auto found = entries_.find(fd);
  if (found == entries_.end()) return;
  if (found->second.heat == Heat::kHot) --hot_;
  entries_.erase(found);
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void Reactor::close_inherited() {
  for (const auto& [fd, entry] : entries_) ::close(fd);
  ::close(epoll_.get());
}

bool Reactor::poll() {
  if (hot_ == 0 && ++passes_ % kColdInterval) return false;
  return dispatch(0);
}

void Reactor::sleep(Nanos timeout) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  dispatch(int(std::clamp<int64_t>(ms, 0, 60'000)));
}

bool Reactor::stirs() const {
  epoll_event event{};
  return epoll_wait(epoll_.get(), &event, 1, 0) >
         0;  // it stays, for dispatch() to find: none is edge-triggered
}

void Reactor::wake() {
  const uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);
}

bool Reactor::dispatch(int timeout_ms) {
  std::array<epoll_event, 64> events;
  const int count = epoll_wait(epoll_.get(), events.data(), int(events.size()), timeout_ms);
  for (int i = 0; i < count; ++i) {
    auto found = entries_.find(events[i].data.fd);
    if (found == entries_.end()) continue;          // removed by a handler before it
    const Handler handler = found->second.handler;  // a handler may remove itself
    handler(events[i].events);
  }
  return count > 0;
}

}  // namespace dlslime
