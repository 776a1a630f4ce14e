// Clock: what time it is. Passed in, so that the simulator can answer instead of the operating system.
//
// Threads: any.   Units: nanoseconds since an epoch of the clock's own choice; never goes back.
#pragma once
#include <chrono>

namespace dlslime {

using Nanos = std::chrono::nanoseconds;
inline constexpr Nanos kNever = Nanos::max();

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Nanos now() const = 0;
};

class SteadyClock final : public Clock {
 public:
  Nanos now() const override { return std::chrono::steady_clock::now().time_since_epoch(); }
};

// When an operation must be done, and how long it was given, to say so; 0: that is not known.
struct Deadline {
  Deadline(Nanos when = kNever, Nanos given = Nanos{0}) : at(when), allowed(given) {}
  Nanos at, allowed;
};

// The moment `timeout` from now; a timeout too large to add (or kNever) means no deadline.
inline Nanos deadline_after(const Clock& clock, Nanos timeout) {
  const Nanos now = clock.now();
  return timeout >= kNever - now ? kNever : now + timeout;
}

}  // namespace dlslime
