#include "base/waiting_habit.h"

#include <algorithm>
#include <atomic>

namespace dlslime {
namespace {
constexpr Nanos kAtOnce = std::chrono::microseconds(100);
thread_local Nanos t_spent{0};  // its address tells threads apart
}  // namespace

WaitingHabit::Stamp WaitingHabit::submitted(Nanos now) { return {now, t_spent, &t_spent}; }

void WaitingHabit::spent(Nanos time) { t_spent += time; }

bool WaitingHabit::late(Stamp& stamp, Nanos now) {
  const std::atomic_ref thread(stamp.thread);
  if (thread.load(std::memory_order_relaxed) != &t_spent) return false;
  thread.store(nullptr, std::memory_order_relaxed);
  if (stamp.at < Nanos(late_at_.load(std::memory_order_relaxed))) return false;
  const uint32_t needed = needed_.load();
  if (now - stamp.at - (t_spent - stamp.spent) < kAtOnce) {
    if (in_a_row_.fetch_add(1) > kForgiven * needed) needed_.store(std::max(needed / 2, kLeast));
    return false;
  }
  late_at_.store(now.count(), std::memory_order_relaxed);
  in_a_row_.store(0);
  // Or a few at once between two late ones would do harm each time.
  needed_.store(std::min(2 * needed, kMost));
  return true;
}

}  // namespace dlslime
