#include "collective/local/idle_slots.h"

#include "collective/local/local_group.h"

namespace dlslime {

IdleSlots::IdleSlots(LocalGroup& local) : WhenIdle(local.group()), local_(local) {}

bool IdleSlots::unused() const { return local_.slots_unused(); }

std::pair<size_t, bool> IdleSlots::give_back(size_t from) {
  const auto given = local_.give_back(from);
  if (given.second) given_back_ = local_.steps();
  return given;
}

}  // namespace dlslime
