// SimScript: a program of steps for every rank of a simulated world, and how each step ended, for the test to look at.
//
//   SimScript script(seed, ranks, random_program(seed, ranks, 16));
//   const SimResult result = run_simulated(config, script.program());
//
// Threads:    one.
// Ownership:  outlives the run.
// Errors:     a rank's program ends with its first failing step's Status, or with kInternal where a result is wrong.
// Invariants: ranks issue up to three steps at once, each as its own seed has it, and wait for all of them.
#pragma once
#include <string>
#include <vector>

#include "collective/sim_group.h"
#include "collective/step_run.h"

namespace dlslime {

inline constexpr int kSeeds = 500;  // per program

// Worlds of 2 to 8 ranks, now and then of 64; over shared pages, for every second seed over messages.
int ranks_for(uint64_t seed);
SimConfig small_config(uint64_t seed);
// Two hosts or more, of equal sizes or not, one of them with several ranks; now and then 8 hosts of 8.
SimConfig hosts_config(uint64_t seed);

struct StepEnd {
  size_t step = 0;
  Status status;
  std::string wrong;  // what of the result; asked only where the status is ok
};

class SimScript {
 public:
  SimScript(uint64_t seed, int ranks, std::vector<Step> steps)
      : SimScript(seed, ranks, std::move(steps), random_plan(seed)) {}
  SimScript(uint64_t seed, int ranks, std::vector<Step> steps, Plan plan)
      : seed_(seed), plan_(std::move(plan)), steps_(size_t(ranks), std::move(steps)), ends_(size_t(ranks)) {}

  SimProgram program();
  std::vector<Step>& steps(int rank) { return steps_[size_t(rank)]; }
  const std::vector<StepEnd>& ends(int rank) const { return ends_[size_t(rank)]; }

 private:
  using Runs = std::deque<std::unique_ptr<StepRun>>;
  Task<> play(SimHost& host);
  Task<> run_steps(SimRank& rank, Runs& runs);
  Task<> end_all(SimRank& rank, const std::vector<GroupOperation*>& issued, const Runs& runs);

  const uint64_t seed_;
  const Plan plan_;
  SimStore store_;
  std::vector<std::vector<Step>> steps_;    // by rank
  std::vector<std::vector<StepEnd>> ends_;  // by rank, in issue order
};

}  // namespace dlslime
