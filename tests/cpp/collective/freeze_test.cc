// A rank stops for good at its k-th step, and nobody is told: who needs it fails at a deadline, and the texts say who is missing.
//
// Who can know it: who waits for the frozen rank itself. Others wait for ranks that wait for it, or hear a report; a receive from any
// rank names nobody. So every failing rank must point at the frozen one or at another failing rank, never at one that has
// done its part, and in each world somebody must name the frozen rank, unless all that wait for it would take any rank.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <set>

#include "collective/sim_program.h"
#include "support/seeds.h"

namespace dlslime {
namespace {

// Every n of "rank n" in a failure's text, and of a rendezvous key that ends in it.
std::set<int> named_in(const std::string& text) {
  std::set<int> ranks;
  for (const std::string before : {"rank ", "/hello/", "/offers/"}) {
    for (size_t at = text.find(before); at != std::string::npos; at = text.find(before, at + 1))
      ranks.insert(std::atoi(text.c_str() + at + before.size()));
  }
  return ranks;
}

struct World {
  SimResult result;
  SimScript script;
  int victim = 0;
  bool frozen() const { return !result.ended[size_t(victim)]; }
};

World with_a_frozen_rank(uint64_t seed, const SimConfig& config) {
  World world{{},
              SimScript(seed, config.ranks, random_program(seed, config.ranks, 16)),
              int(seed / 5 % uint64_t(config.ranks))};
  SimOptions options;
  options.faults.push_back({SimFault::Kind::kFreeze, world.victim, 40 + seed * 131 % 900});
  world.result = run_simulated(config, world.script.program(), options);
  return world;
}

// All that a rank has to say: how its program ended, and each of its operations (the first to be looked at need not know best).
std::vector<Status> failures_of(const World& world, int rank) {
  std::vector<Status> failures;
  if (!world.result.ranks[size_t(rank)].ok()) failures.push_back(world.result.ranks[size_t(rank)]);
  for (const StepEnd& end : world.script.ends(rank)) {
    if (!end.status.ok()) failures.push_back(end.status);
  }
  return failures;
}

struct Tally {
  int worlds = 0, failing = 0, anonymous = 0;  // worlds: with a frozen rank; somebody failed; nobody named it
  double shares = 0;                           // of the survivors that failed, who named it; one by world
};

struct Survivor {
  bool fails = false;
  bool names_victim = false;
  bool any_rank = false;  // it would take a message from anybody
};

Survivor look_at(const World& world, int rank) {
  Survivor survivor;
  bool names_somebody = false;
  for (const Status& failure : failures_of(world, rank)) {
    const auto named = named_in(failure.what());
    for (int other : named) {
      const bool at_fault = other == world.victim || !world.result.ranks[size_t(other)].ok();
      EXPECT_TRUE(at_fault) << "rank " << rank << " accuses rank " << other << ": " << failure.to_string();
    }
    survivor.fails = true;
    survivor.names_victim |= named.contains(world.victim);
    survivor.any_rank |= failure.what().find("any rank") != std::string::npos;
    names_somebody |= !named.empty();
  }
  // One operation may have been queued behind another and know nothing; not all of them.
  EXPECT_TRUE(!survivor.fails || names_somebody || survivor.any_rank)
      << "rank " << rank << " names nobody: " << world.result.describe();
  return survivor;
}

// `percent`: of a world's survivors that fail, at least so many know it, in the mean over the worlds, so that one of 64 ranks does not
// decide it. Fewer do on several hosts: there a rank waits for one rank
// of each other host, which in turn waits for its own host's frozen rank, and both reach their deadlines at the same time.
void expect_frozen_rank_named(SimConfig (*config_for)(uint64_t), int percent) {
  Tally tally;
  int seeds = 0;
  for_each_seed(kSeeds, [&](uint64_t seed) {
    ++seeds;
    const World world = with_a_frozen_rank(seed, config_for(seed));
    const SimResult& result = world.result;
    EXPECT_TRUE(result.world.ok()) << result.describe();
    if (!world.frozen()) return;
    ++tally.worlds;
    Survivor all;
    int failing = 0, naming = 0;
    for (int rank = 0; rank < int(result.ranks.size()); ++rank) {
      if (rank == world.victim) continue;
      EXPECT_TRUE(result.ended[size_t(rank)]) << result.describe();
      EXPECT_NE(result.ranks[size_t(rank)].code(), Code::kInternal) << result.describe();
      const Survivor survivor = look_at(world, rank);
      failing += survivor.fails;
      naming += survivor.names_victim;
      all = {all.fails || survivor.fails, all.names_victim || survivor.names_victim,
             all.any_rank || survivor.any_rank};
    }
    tally.failing += failing > 0;
    tally.shares += failing ? double(naming) / failing : 0;
    tally.anonymous += all.fails && !all.names_victim;
    EXPECT_TRUE(!all.fails || all.names_victim || all.any_rank)
        << "nobody names rank " << world.victim << ": " << result.describe();
  });
  const double share = tally.failing ? 100 * tally.shares / tally.failing : 0;
  std::printf("%d worlds with a frozen rank: %.0f %% of who failed named it; in %d worlds nobody did\n",
              tally.worlds, share, tally.anonymous);
  if (seeds < 10) return;  // single seeds prove nothing about how many
  EXPECT_GT(tally.worlds, seeds / 10) << "hardly a rank froze before its end: the steps are too late";
  EXPECT_GT(share, percent);
  EXPECT_LE(tally.anonymous * 10, tally.worlds);
}

TEST(Simulation, Freeze) { expect_frozen_rank_named(small_config, 75); }
TEST(Simulation, FreezeOnHosts) { expect_frozen_rank_named(hosts_config, 65); }

}  // namespace
}  // namespace dlslime
