// WhenIdle: gives memory of a group back to the system when the group has been idle for a while.
//
// Threads:    under the token.
// Ownership:  belongs to what belongs to the group, and goes before it.
// Errors:     none. A group that has failed keeps its memory: it goes soon.
// Units:      nothing is given back in the first second after the last operation, all of it within a second after that.
// Invariants: a slice is given back only while this rank is in no collective of the group.
//
//   state     what holds                                        moved on by
//   --------  ------------------------------------------------  -------------------------------
//   at rest   nothing has been used since it was given back     watch()
//   watching  asked for a turn a second later                   a turn in which the group is idle since the one before
//   giving    turn by turn, a slice each                        the last slice; an operation of the group: watching
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/executor.h"

namespace dlslime {

class Group;

class WhenIdle : public Chore {
 protected:
  explicit WhenIdle(Group& group) : group_(group) {}

  void watch();                     // memory is in use; nothing happens where it is watched already
  virtual bool unused() const = 0;  // nobody needs what it holds: asked while this rank is in no collective
  // Gives back what begins at `from`, at most ~20 us of work. Answers where the rest begins, and whether there is none.
  virtual std::pair<size_t, bool> give_back(size_t from) = 0;

  Nanos run(Nanos now) final;

 private:
  Group& group_;
  bool watching_ = false;
  uint64_t seen_ = 0;  // operations finished at the last turn
  size_t next_ = 0;    // what is given back next
};

}  // namespace dlslime
