// Lingering: closed connections whose last bytes are still on their way. Closing them at once could turn into
// a reset that throws those bytes away; waiting for them would block.
//
// Threads:    under the token.
// Ownership:  owns the sockets it was given.
// Invariants: at most kMost sockets, none for longer than kPatience.
#pragma once
#include <deque>

#include "base/clock.h"
#include "base/fd.h"

namespace dlslime::tcp {

class Lingering {
 public:
  explicit Lingering(const Clock& clock) : clock_(clock) {}
  ~Lingering();

  void farewell(UniqueFd fd);
  void tick(Nanos now);
  size_t size() const { return sockets_.size(); }

 private:
  static constexpr size_t kMost = 64;
  static constexpr Nanos kPatience = std::chrono::seconds(5);
  struct Leaving {
    UniqueFd fd;
    Nanos until;
  };
  const Clock& clock_;
  std::deque<Leaving> sockets_;
};

}  // namespace dlslime::tcp
