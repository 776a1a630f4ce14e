// Collectives and messages in the simulator: any delays, any speeds, a death at any step.
#include <gtest/gtest.h>

#include "collective/sim_program.h"
#include "support/seeds.h"

namespace dlslime {
namespace {

void expect_right(uint64_t seed, bool pages) {
  SimConfig config = SimConfig::for_seed(seed, ranks_for(seed));
  config.shared_pages = pages;
  SimScript script(seed, config.ranks, random_program(seed, config.ranks, config.ranks > 8 ? 6 : 16));
  const SimResult result = run_simulated(config, script.program());
  EXPECT_TRUE(result.ok()) << result.describe();
}

TEST(Simulation, SharedPages) {
  for_each_seed(kSeeds, [](uint64_t seed) { expect_right(seed, true); });
}

TEST(Simulation, Messages) {
  for_each_seed(kSeeds, [](uint64_t seed) { expect_right(seed, false); });
}

// A rank dies at its k-th step: whoever still needs it is told, nobody waits for a deadline.
TEST(Simulation, Death) {
  int died = 0;
  for_each_seed(kSeeds, [&died](uint64_t seed) {
    const SimConfig config = small_config(seed);
    SimScript script(seed, config.ranks, random_program(seed, config.ranks, 16));
    SimOptions options;
    const int victim = int(seed / 5 % uint64_t(config.ranks));
    options.faults.push_back({SimFault::Kind::kKill, victim, 40 + seed * 131 % 900});
    const SimResult result = run_simulated(config, script.program(), options);
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

}  // namespace
}  // namespace dlslime
