#include "collective/local/idle_slots.h"

#include "collective/local/local_group.h"

namespace dlslime {
namespace {
constexpr Nanos kIdle = std::chrono::seconds(1);
}

void IdleSlots::watch() {
  Group& group = local_.group();
  watching_ = true;
  next_ = 0;
  seen_ = group.finished();
  group.executor().later(*this, group.executor().clock().now() + kIdle);
}

Nanos IdleSlots::run(Nanos now) {
  const Group& group = local_.group();
  if (!group.failed().ok()) return kNever;  // it goes soon
  const bool between = group.current().sequence == group.finished();
  if (!between || std::exchange(seen_, group.finished()) != group.finished() || !local_.slots_unused()) {
    next_ = 0;
    return now + kIdle;
  }
  const auto [next, last] = local_.give_back(next_);
  next_ = next;
  if (!last) return now;
  given_back_ = local_.steps();
  watching_ = false;
  return kNever;
}

}  // namespace dlslime
