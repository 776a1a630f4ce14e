// Pair: two ranks over the real shared-memory engine in one thread, by turns, so that neither is ever late: what an operation costs is
// then what it costs, and not what waiting does.
//
// Threads:    one; the subject's progress thread sleeps, as in a process whose callers wait for themselves.
// Ownership:  the pair owns both ranks and their group.
// Errors:     throws Failure where the ranks can't be made or an operation fails.
#pragma once
#include <memory>

#include "base/reactor.h"
#include "budgets/counters.h"
#include "collective/group_builder.h"
#include "collective/group_operation.h"
#include "engine/shm/shm_engine.h"

namespace dlslime::budgets {

class Rank {
 public:
  Rank(int number, bool direct_reads);
  ~Rank();
  Executor& executor() { return executor_; }
  Group& group() { return *group_; }

  static void join(Rank& a, Rank& b);

 private:
  const SteadyClock clock_;
  Reactor reactor_;
  Executor executor_;
  RegionTable regions_;
  Runtime runtime_;
  std::unique_ptr<Messenger> messenger_;
  GroupBuilder builder_;
  std::unique_ptr<Group> group_;
};

// What one synchronous operation cost its caller.
struct Cost : Counts {
  uint64_t token = 0;   // how often the executor's token was taken
  uint64_t frames = 0;  // coroutine frames from the heap
};

class Pair {
 public:
  explicit Pair(int subject, bool direct_reads = true);
  int subject() const { return subject_; }

  // The subject calls Executor::run with its half, which is counted; the partner's half is begun before and gets a turn whenever the
  // subject looks for news.
  Cost run(Operation::Order order, const GroupCall& its, const GroupCall& partners);

 private:
  const int subject_;
  Rank zero_, one_;
};

}  // namespace dlslime::budgets
