// Collectives and messages in the simulator: any delays, any speeds, deaths and freezes at any step.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "collective/sim_program.h"
#include "support/seeds.h"

namespace dlslime {
namespace {

constexpr int kSeeds = 500;

int ranks_for(uint64_t seed) {
  constexpr int kRanks[] = {2, 3, 4, 5, 8};
  return seed % 50 == 49 ? 64 : kRanks[seed % 5];
}

// Issues up to three steps at once, then waits for them, and checks every result.
Task<> run_steps(SimRank& rank, std::deque<std::unique_ptr<StepRun>>& runs, SimStore& store, uint64_t seed,
                 int length) {
  SimHost& host = rank.host;
  co_await rank.join(store, "world");
  const int ranks = host.world().size();
  const auto program = random_program(seed, ranks, length);
  std::mt19937_64 pace(seed * 31 + uint64_t(host.rank()));
  for (size_t at = 0; at < program.size();) {
    const size_t until = std::min(program.size(), at + 1 + pace() % 3);
    const size_t first = runs.size();
    std::vector<GroupOperation*> issued;
    for (; at < until; ++at) {
      StepRun& run = *runs.emplace_back(std::make_unique<StepRun>(program[at], host.rank(), ranks));
      run.fill();
      const auto order = run.ordered() ? Operation::Order::kOrdered : Operation::Order::kFree;
      issued.push_back(
          &rank.issue(rank.group(), order, [&run](Group& group) { return run.call(group); }, run.name()));
    }
    for (size_t i = 0; i < issued.size(); ++i) {
      co_await rank.end(*issued[i]);
      const std::string wrong = runs[first + i]->wrong();
      if (!wrong.empty()) throw Failure(Status(Code::kInternal, wrong));
    }
  }
}

Task<> run_program(SimHost& host, SimStore& store, uint64_t seed, int length) {
  std::deque<std::unique_ptr<StepRun>> runs;  // before the group: its operations end before their buffers go
  SimRank rank(host);
  std::exception_ptr error;
  try {
    co_await run_steps(rank, runs, store, seed, length);
  } catch (const Failure& failure) {
    if (failure.status().code() == Code::kAborted) throw;  // the world ends: nobody is left to be told
    error = std::current_exception();
  }
  co_await rank.leave();
  if (error) std::rethrow_exception(error);
}

SimProgram program_of(SimStore& store, uint64_t seed, int length) {
  return [&store, seed, length](SimHost& host) { return run_program(host, store, seed, length); };
}

void expect_right(uint64_t seed, bool pages) {
  SimConfig config = SimConfig::for_seed(seed, ranks_for(seed));
  config.shared_pages = pages;
  SimStore store;
  const SimResult result = run_simulated(config, program_of(store, seed, config.ranks > 8 ? 6 : 16));
  EXPECT_TRUE(result.ok()) << result.describe();
}

TEST(Simulation, SharedPages) {
  for_each_seed(kSeeds, [](uint64_t seed) { expect_right(seed, true); });
}

TEST(Simulation, Messages) {
  for_each_seed(kSeeds, [](uint64_t seed) { expect_right(seed, false); });
}

SimConfig config_with_fault(uint64_t seed) {
  SimConfig config = SimConfig::for_seed(seed, ranks_for(seed % 49));
  if (seed % 2) config.shared_pages = false;
  return config;
}

// A rank dies at its k-th step: whoever still needs it is told, nobody waits for a deadline.
TEST(Simulation, Death) {
  int died = 0;
  for_each_seed(kSeeds, [&died](uint64_t seed) {
    const SimConfig config = config_with_fault(seed);
    SimStore store;
    SimOptions options;
    const int victim = int(seed / 5 % uint64_t(config.ranks));
    options.faults.push_back({SimFault::Kind::kKill, victim, 40 + seed * 131 % 900});
    const SimResult result = run_simulated(config, program_of(store, seed, 16), options);
    EXPECT_TRUE(result.world.ok()) << result.describe();
    died += !result.ended[size_t(victim)];
    for (int rank = 0; rank < config.ranks; ++rank) {
      const Code code = result.ranks[size_t(rank)].code();
      if (rank == victim) continue;
      EXPECT_TRUE(result.ended[size_t(rank)]) << result.describe();
      EXPECT_NE(code, Code::kInternal) << result.describe();
      EXPECT_NE(code, Code::kTimeout) << result.describe();
    }
  });
  EXPECT_GT(died, 0) << "no rank died before its end: the steps are too late";
}

// A rank stops for good at its k-th step: every survivor that needs it fails at its deadline, and the text names who is missing.
TEST(Simulation, Freeze) {
  int froze = 0;
  for_each_seed(kSeeds, [&froze](uint64_t seed) {
    const SimConfig config = config_with_fault(seed);
    SimStore store;
    SimOptions options;
    const int victim = int(seed / 5 % uint64_t(config.ranks));
    options.faults.push_back({SimFault::Kind::kFreeze, victim, 40 + seed * 131 % 900});
    const SimResult result = run_simulated(config, program_of(store, seed, 16), options);
    EXPECT_TRUE(result.world.ok()) << result.describe();
    if (result.ended[size_t(victim)]) return;
    ++froze;
    bool named = false;
    for (int rank = 0; rank < config.ranks; ++rank) {
      const Status& status = result.ranks[size_t(rank)];
      if (rank == victim) continue;
      EXPECT_TRUE(result.ended[size_t(rank)]) << result.describe();
      EXPECT_NE(status.code(), Code::kInternal) << result.describe();
      named |= status.ok() || status.what().find("rank " + std::to_string(victim)) != std::string::npos ||
               status.what().find("nobody has set") != std::string::npos ||
               status.what().find("any rank") != std::string::npos;
    }
    EXPECT_TRUE(named) << result.describe();
  });
  EXPECT_GT(froze, 0) << "no rank froze before its end: the steps are too late";
}

}  // namespace
}  // namespace dlslime
