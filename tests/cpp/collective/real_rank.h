// RealRank: what a process has, made for one thread or forked process, which runs a program of steps with the others over real
// shared memory.
//
// Threads:    run() by the rank's own thread; a progress thread of its own may help.
// Ownership:  ranks of one process go when all of them have run: they may look at each other's memory until then.
// Errors:     run() answers what went wrong, empty if nothing did. A failure is told on the blackboard, so that nobody waits for it.
#pragma once
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/reactor.h"
#include "collective/blackboard.h"
#include "collective/group_builder.h"
#include "collective/group_operation.h"
#include "collective/shm_variant.h"
#include "collective/step_run.h"

namespace dlslime {

struct RealConfig {
  uint64_t seed = 0;
  int ranks = 2;
  std::vector<Step> steps;
  Plan plan;
  Sharing sharing = Sharing::kPages;
  // By rank: made-up hosts, which reach each other over TCP; empty: all are on this one.
  std::vector<int> host_of = {};
  bool direct_reads = true;
  size_t most_fetched = 512 << 10;
  unsigned in_heap = 0;  // of four steps, how many have a rank's data where the others can map it
  Ladder ladder;
  bool progress_threads = false;

  static RealConfig for_seed(uint64_t seed, Sharing sharing);
};

// Ranks as threads of this process; answers what went wrong, by rank.
std::vector<std::string> run_in_threads(const RealConfig& config);

class RealRank {
 public:
  RealRank(const RealConfig& config, int rank, Blackboard& board);
  ~RealRank();
  std::string run();

 private:
  void join();
  std::string run_steps();
  std::string end_all(std::deque<StepRun>& runs, std::deque<GroupOperation>& issued);
  std::string leave();

  const RealConfig config_;
  const int rank_;
  Blackboard& board_;
  const SteadyClock clock_;
  Reactor reactor_;
  Executor executor_;
  RegionTable regions_;
  SharedHeap heap_;
  Runtime runtime_;
  std::unique_ptr<Messenger> messenger_;
  std::unique_ptr<Group> group_;
};

}  // namespace dlslime
