// WaitingHabit: whether callers wait at once for what they have submitted, learnt from what they do. Waking a thread on behalf of
// those who do costs more than their operations.
//
// Threads:    any. A Stamp is read and written by the thread that submitted, others that wait learn that it isn't theirs.
// Errors:     none; a wrong guess costs time only.
// Units:      Nanos of the caller's clock.
// Invariants: waiting at once is to have done less than 100 us of anything else since the submission but submit and wait. So many of
//             these in a row are a habit: 4; twice as many after each that came late, up to 4096; half as many after 16 times as
//             many as are needed, since the scheduler makes some late. What holds up a thread once makes all that it has in flight
//             late, which counts once.
#pragma once
#include <atomic>
#include <cstdint>

#include "base/clock.h"

namespace dlslime {

class WaitingHabit {
 public:
  struct Stamp {  // of an operation, when it was submitted
    Nanos at{0};
    Nanos spent{0};                // what its thread had spent in submissions and waits until then
    const void* thread = nullptr;  // which one that was; null: nothing is to be learnt, or has been already
  };
  static Stamp submitted(Nanos now);

  // Somebody begins to wait for it; answers whether that came late.
  bool late(Stamp& stamp, Nanos now);
  // This thread has spent so much time in a submission or a wait, which has ended.
  static void spent(Nanos time);

  uint32_t in_a_row() const { return in_a_row_.load(); }
  bool formed() const { return in_a_row() >= needed_.load(); }

 private:
  static constexpr uint32_t kLeast = 4, kMost = 4096, kForgiven = 16;
  std::atomic<uint32_t> in_a_row_{0}, needed_{kLeast};
  std::atomic<int64_t> late_at_{0};  // when the last late one was: what was submitted before teaches nothing
};

}  // namespace dlslime
