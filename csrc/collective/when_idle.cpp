#include "collective/when_idle.h"

#include "collective/group.h"

namespace dlslime {
namespace {
constexpr Nanos kIdle = std::chrono::seconds(1);
}

void WhenIdle::watch() {
  if (std::exchange(watching_, true)) return;
  next_ = 0;
  seen_ = group_.finished();
  group_.executor().later(*this, group_.executor().clock().now() + kIdle);
}

Nanos WhenIdle::run(Nanos now) {
  if (!group_.failed().ok()) return kNever;
  const bool idle = !group_.running() && std::exchange(seen_, group_.finished()) == group_.finished();
  if (!idle || !unused()) {
    next_ = 0;
    return now + kIdle;
  }
  const auto [next, last] = give_back(next_);
  next_ = next;
  if (!last) return now;
  watching_ = false;
  return kNever;
}

}  // namespace dlslime
