// Pair: two ranks over the real shared-memory engine in one thread, by turns, so that neither is ever late: what an operation costs is
// then what it costs, and not what waiting does.
//
// Threads:    one; the subject's progress thread sleeps, as in a process whose callers wait for themselves.
// Ownership:  the pair owns both ranks and their group.
// Errors:     throws Failure where the ranks can't be made or an operation fails.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "base/reactor.h"
#include "budgets/counters.h"
#include "collective/group_builder.h"
#include "collective/group_operation.h"
#include "engine/shm/shm_engine.h"

namespace dlslime::budgets {

class Rank {
 public:
  // Limits and plans are those of most processors, whatever this one is.
  explicit Rank(bool direct_reads = true, Ladder ladder = {});
  ~Rank();
  Executor& executor() { return executor_; }
  Group& group(size_t number = 0) { return *groups_[number]; }
  SharedHeap& heap() { return heap_; }

  static void join(std::span<Rank* const> ranks,
                   std::string_view plan = kBuiltInPlan);  // makes one more group of all of them

 private:
  const SteadyClock clock_;
  Reactor reactor_;
  Executor executor_;
  RegionTable regions_;
  SharedHeap heap_;
  Runtime runtime_;
  std::unique_ptr<Messenger> messenger_;
  std::vector<std::unique_ptr<Group>> groups_;
};

// What one synchronous operation cost its caller.
struct Cost : Counts {
  uint64_t token = 0;   // how often the executor's token was taken
  uint64_t frames = 0;  // coroutine frames from the heap
};

class Pair {
 public:
  explicit Pair(int subject, bool direct_reads = true, std::string_view plan = kBuiltInPlan);
  int subject() const { return subject_; }
  SharedHeap& heap_of(int rank) { return rank ? one_.heap() : zero_.heap(); }

  // The subject calls Executor::run with its half, which is counted; the partner's half is begun before and gets a turn whenever the
  // subject looks for news.
  Cost run(Operation::Order order, const GroupCall& its, const GroupCall& partners);

 private:
  const int subject_;
  Rank zero_, one_;
};

}  // namespace dlslime::budgets
