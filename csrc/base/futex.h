// Futex: sleep until a 32-bit word of this process changes.
//
// Threads: any.   Units: nanoseconds; kNever = no limit.   Spurious wake-ups are possible: check again.
#pragma once
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <ctime>

#include "base/clock.h"

namespace dlslime {

inline void futex_wait(std::atomic<uint32_t>& word, uint32_t expected, Nanos timeout) {
  const timespec limit{timeout.count() / 1'000'000'000, timeout.count() % 1'000'000'000};
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, timeout == kNever ? nullptr : &limit, nullptr, 0);
}

inline void futex_wake_all(std::atomic<uint32_t>& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace dlslime
