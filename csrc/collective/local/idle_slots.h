// IdleSlots: gives a rank's slots back to the system when its group has been idle for a while.
//
// Threads:    under the token.
// Ownership:  belongs to the LocalGroup and goes with it.
// Units:      nothing is given back in the first second after an operation that used slots, nearly all of it in the third.
// Invariants: a slot is given back only while this rank is in no operation and everybody has said that it needs none of the steps so
//             far (kConsumed, kTaken): the rule by which a slot is written again. A slower rank that still reads is waited for.
//
//   state     what holds                                        moved on by
//   --------  ------------------------------------------------  -------------------------------
//   at rest   no slot has been used since it gave them back     used()
//   watching  asked for a turn a second later                   a turn in which the group is idle since the one before
//   giving    turn by turn, a slice each                        the last slice; an operation of the group: watching
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/executor.h"

namespace dlslime {

class LocalGroup;

class IdleSlots final : public Chore {
 public:
  explicit IdleSlots(LocalGroup& local) : local_(local) {}
  // At the end of every operation; `steps`: how many there were so far.
  void used(uint64_t steps) {
    if (steps != given_back_ && !watching_) watch();
  }

 protected:
  Nanos run(Nanos now) override;

 private:
  void watch();

  LocalGroup& local_;
  bool watching_ = false;
  uint64_t seen_ = 0;        // operations finished at the last turn
  uint64_t given_back_ = 0;  // steps taken when all had been given back
  size_t next_ = 0;          // what is given back next
};

}  // namespace dlslime
