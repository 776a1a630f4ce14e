#include "engine/shm/crowd.h"

#include <algorithm>

namespace dlslime::shm {

using std::chrono::microseconds;
using std::chrono::milliseconds;

namespace {
constexpr Nanos kLookEvery = microseconds(1000);
// A move costs some 20 us, and what the system has against it, it will undo: then not more often than this.
constexpr Nanos kMoveEvery = milliseconds(5);
}  // namespace

std::optional<int> emptier_cpu(int here, std::span<const int> others, const cpu_set_t& allowed) {
  const auto ranks_on = [others](int cpu) { return std::ranges::count(others, cpu); };
  std::optional<int> best;
  auto most = ranks_on(here) + 1 - 2;  // so many would make it worth it
  for (int cpu = 0; cpu < CPU_SETSIZE && most >= 0; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed) || ranks_on(cpu) > most) continue;
    best = cpu;
    most = ranks_on(cpu) - 1;
  }
  return best;
}

cpu_set_t allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) CPU_ZERO(&set);
  return set;
}

void move_to(int cpu) {
  const cpu_set_t before = allowed_cpus();
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(cpu, &only);
  if (CPU_COUNT(&before) == 0 || sched_setaffinity(0, sizeof only, &only) != 0) return;
  sched_setaffinity(0, sizeof before, &before);  // where it is now it stays
}

void Crowd::look(Nanos now, int here, std::span<const int> others) {
  next_look_ = now + kLookEvery;
  // Most looks find nothing to do, and need not ask the system.
  if (!std::ranges::count(others, here)) return;
  const auto to = emptier_cpu(here, others, allowed_cpus());
  if (!to) return;
  move_to(*to);
  next_look_ = now + kMoveEvery;
}

}  // namespace dlslime::shm
