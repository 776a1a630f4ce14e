// Crowd: where a host has as many ranks as CPUs, or more, those that wait for each other may take turns on them. Since none of them
// sleeps, the system leaves more on one CPU than on another for long; then each operation takes as many turns as the fullest CPU has
// ranks. So a rank that is about to yield there goes elsewhere.
//
// Threads:    under the token, on the thread that drives.
// Ownership:  none.
// Errors:     none: where the system refuses, the thread stays. Nothing here allocates memory.
// Units:      CPU numbers of the system's; Nanos.
// Invariants: the thread's affinity is the same after a move as before it; it never goes to a CPU that it may not use.
#pragma once
#include <sched.h>

#include <optional>
#include <span>

#include "base/clock.h"

namespace dlslime::shm {

// The CPU to go to, of `allowed`: where at least two ranks fewer are; nothing: it is as well here. `others`: where the other ranks
// are.
std::optional<int> emptier_cpu(int here, std::span<const int> others, const cpu_set_t& allowed);

cpu_set_t allowed_cpus();  // this thread's; empty: the system does not say
void move_to(int cpu);

class Crowd {
 public:
  // Is it time to look again?
  bool due(Nanos now) const { return now >= next_look_; }
  void look(Nanos now, int here, std::span<const int> others);

 private:
  Nanos next_look_{0};
};

}  // namespace dlslime::shm
