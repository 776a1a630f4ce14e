// Reactor: the one sleeping place. Every socket, bell and pidfd joins its epoll set.
//
// Threads:    wake() and stirs() from any thread; everything else under the executor's token.
// Ownership:  descriptors and handlers belong to the caller, who removes them before they die.
// Errors:     add() answers kUnavailable where the system has no memory or watches left; the constructor throws.
//             What a handler throws leaves poll() and sleep(): the executor fails what is active.
// Units:      Nanos; a sleep is rounded up to whole milliseconds, epoll's own unit.
// Invariants: a handler may add and remove descriptors, its own too.
#pragma once
#include <cstdint>
#include <functional>
#include <unordered_map>

#include "base/executor.h"
#include "base/fd.h"

namespace dlslime {

class Reactor final : public Poller, public Sleeper {
 public:
  using Handler = std::function<void(uint32_t events)>;
  enum class Heat : uint8_t {
    kHot,   // looked at in every pass: sockets that carry data
    kCold,  // looked at now and then while operations wait: listeners, pidfds, bells
  };

  Reactor();

  Status add(int fd, uint32_t events, Heat heat, Handler handler);
  void modify(int fd, uint32_t events);
  void remove(int fd);
  // In a forked child: closes every descriptor here, without touching the epoll set, which the parent goes on using.
  void close_inherited();

  bool poll() override;
  void sleep(Nanos timeout) override;
  void wake() override;
  bool stirs() const override;
  void rest() override { passes_ = 0; }

 private:
  struct Entry {
    Heat heat;
    Handler handler;
  };
  bool dispatch(int timeout_ms);

  UniqueFd epoll_, wake_;
  std::unordered_map<int, Entry> entries_;
  int hot_ = 0;
  unsigned passes_ = 0;  // since it last asked, or nothing was active
};

}  // namespace dlslime
