// What a thread costs the system while somebody counts: system calls, heap allocations, mutexes, bytes copied.
//
// Threads:    each thread counts its own, and only while it has a Counting.
// Errors:     none; where the kernel does not let a thread see its own system calls, system_calls_countable() says so.
// Units:      calls; bytes for `copied`.
// Invariants: everything is really counted, nothing is inferred: malloc is replaced in this binary, memcpy and pthread_mutex_lock are
//             wrapped by the linker, and system calls come back as SIGSYS (Syscall User Dispatch), are counted and then made.
//             Calls that the vDSO answers, such as clock_gettime, enter no kernel and do not count; if one did, it would.
#pragma once
#include <cstdint>

namespace dlslime::budgets {

struct Counts {
  uint64_t system_calls = 0;
  int last_system_call = -1;  // its number, to name the culprit
  uint64_t allocations = 0;
  uint64_t mutexes = 0;
  uint64_t copied = 0;  // by memcpy and memmove, as far as the compiler calls them
};

bool system_calls_countable();

// Counts what the calling thread does from construction to destruction, into `counts`.
class Counting {
 public:
  explicit Counting(Counts& counts);
  ~Counting();
  Counting(const Counting&) = delete;
  Counting& operator=(const Counting&) = delete;
};

// What the calling thread does for others meanwhile does not count.
class NotCounting {
 public:
  NotCounting();
  ~NotCounting();
  NotCounting(const NotCounting&) = delete;
  NotCounting& operator=(const NotCounting&) = delete;

 private:
  Counts* before_;
};

}  // namespace dlslime::budgets
