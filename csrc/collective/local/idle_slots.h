// IdleSlots: gives a rank's slots back to the system when its group is idle.
//
// Threads, ownership, errors, units: as WhenIdle; belongs to the LocalGroup.
// Invariants: a slot is given back only while everybody has said that it needs none of the steps so far (kConsumed, kTaken): the
//             rule by which a slot is written again. A slower rank that still reads is waited for.
#pragma once
#include "collective/when_idle.h"

namespace dlslime {

class LocalGroup;

class IdleSlots final : public WhenIdle {
 public:
  explicit IdleSlots(LocalGroup& local);
  // At the end of every operation; `steps`: how many there were so far.
  void used(uint64_t steps) {
    if (steps != given_back_) watch();
  }

 protected:
  bool unused() const override;
  std::pair<size_t, bool> give_back(size_t from) override;

 private:
  LocalGroup& local_;
  uint64_t given_back_ = 0;  // steps taken when all had been given back
};

}  // namespace dlslime
