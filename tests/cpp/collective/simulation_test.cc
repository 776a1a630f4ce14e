// Collectives and messages in the simulator: any delays, any speeds, a death at any step.
#include <gtest/gtest.h>

#include "collective/sim_program.h"
#include "support/seeds.h"

namespace dlslime {
namespace {

void expect_right(uint64_t seed, const SimConfig& config) {
  SimScript script(seed, config.ranks, random_program(seed, config.ranks, config.ranks > 8 ? 6 : 16));
  const SimResult result = run_simulated(config, script.program());
  EXPECT_TRUE(result.ok()) << result.describe();
}

SimConfig on_one_host(uint64_t seed, bool pages) {
  SimConfig config = SimConfig::for_seed(seed, ranks_for(seed));
  config.shared_pages = pages;
  return config;
}

TEST(Simulation, SharedPages) {
  for_each_seed(kSeeds, [](uint64_t seed) { expect_right(seed, on_one_host(seed, true)); });
}

TEST(Simulation, Messages) {
  for_each_seed(kSeeds, [](uint64_t seed) { expect_right(seed, on_one_host(seed, false)); });
}

TEST(Simulation, Hosts) {
  for_each_seed(kSeeds, [](uint64_t seed) { expect_right(seed, hosts_config(seed)); });
}

// A rank dies at its k-th step: whoever still needs it is told, nobody waits for a deadline.
void expect_death_told(SimConfig (*config_for)(uint64_t)) {
  int died = 0;
  for_each_seed(kSeeds, [&died, config_for](uint64_t seed) {
    const SimConfig config = config_for(seed);
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

TEST(Simulation, Death) { expect_death_told(small_config); }
TEST(Simulation, DeathOnHosts) { expect_death_told(hosts_config); }

}  // namespace
}  // namespace dlslime
