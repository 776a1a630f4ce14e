// One rank calls something else at some point: everybody is told, nobody waits for a deadline or ends with wrong data.
#include <gtest/gtest.h>

#include <algorithm>

#include "collective/sim_program.h"
#include "support/seeds.h"

namespace dlslime {
namespace {

struct Parting {
  size_t at = 0;  // the step at which `who` calls something else
  int who = 0;
  Deviation how = Deviation::kKind;
};

// Changes one rank's step, but for the barriers at both ends: nobody leaves before all have joined, and at the last one everybody
// hears of it at the latest.
Parting part_ways(SimScript& script, uint64_t seed, int ranks, const std::vector<Deviation>& ways) {
  std::mt19937_64 random(seed * 7919 + 3);
  Parting parting;
  parting.who = int(random() % uint64_t(ranks));
  auto& steps = script.steps(parting.who);
  while (true) {
    parting.at = 1 + random() % (steps.size() - 2);
    parting.how = ways[random() % ways.size()];
    Step& step = steps[parting.at];
    const auto other = step.ordered() ? deviating(step, parting.how, ranks, random) : std::nullopt;
    if (!other) continue;
    step = *other;
    return parting;
  }
}

// It needs the bytes or the arrival of somebody who called something else (not: the same with other sizes for a third).
bool cannot_end(SimScript& script, int ranks, int rank, const Parting& parting) {
  if (parting.how == Deviation::kSizes) return false;
  const Step& step = script.steps(rank)[parting.at];
  if (rank != parting.who) return step.needs(rank, parting.who);
  for (int other = 0; other < ranks; ++other) {
    if (step.needs(rank, other)) return true;
  }
  return false;
}

void expect_told(const SimResult& result, SimScript& script, const Parting& parting) {
  const int ranks = int(result.ranks.size());
  for (int rank = 0; rank < ranks; ++rank) {
    const std::string what = "rank " + std::to_string(parting.who) + " parts at step " +
                             std::to_string(parting.at) + ", which it calls as " +
                             script.steps(parting.who)[parting.at].name() + "\n" + result.describe();
    ASSERT_TRUE(result.ended[size_t(rank)]) << what;
    ASSERT_EQ(result.ranks[size_t(rank)].code(), Code::kMismatch) << "rank " << rank << ": " << what;
    for (const StepEnd& end : script.ends(rank)) {
      const bool never = end.step == parting.at && cannot_end(script, ranks, rank, parting);
      ASSERT_FALSE(never && end.status.ok()) << "rank " << rank << " ended a step that can't: " << what;
    }
  }
}

std::vector<Step> program_for(uint64_t seed, int ranks) {
  std::vector<Step> steps = random_program(seed, ranks, 12);
  steps.front() = steps.back() = {};  // barriers
  return steps;
}

void expect_difference_told(SimConfig (*config_for)(uint64_t)) {
  using enum Deviation;
  const std::vector<Deviation> ways = {kKind, kOp, kDType, kSize, kRoot};
  int seeds = 0;
  size_t early[5] = {};  // how often each way was noticed in the very step
  for_each_seed(kSeeds, [&](uint64_t seed) {
    ++seeds;
    const SimConfig config = config_for(seed);
    SimScript script(seed, config.ranks, program_for(seed, config.ranks));
    const Parting parting = part_ways(script, seed, config.ranks, ways);
    const SimResult result = run_simulated(config, script.program());
    EXPECT_TRUE(result.world.ok()) << result.describe();
    expect_told(result, script, parting);
    for (int rank = 0; rank < config.ranks; ++rank) {
      for (const StepEnd& end : script.ends(rank))
        early[size_t(parting.how)] += end.step == parting.at && !end.status.ok();
    }
  });
  for (size_t way = 0; seeds >= 40 && way < std::size(early); ++way)
    EXPECT_GT(early[way], 0u) << "no rank noticed deviation " << way << " where it happened";
}

TEST(Mismatch, OneRankCallsSomethingElse) { expect_difference_told(small_config); }
TEST(Mismatch, OneRankCallsSomethingElseOnHosts) { expect_difference_told(hosts_config); }

// Sizes by rank that differ though their totals agree.
void expect_sizes_compared(uint64_t seed, const SimConfig& config) {
  using K = Step::Kind;
  std::vector<Step> steps = program_for(seed, config.ranks);
  Step& some = steps[1 + seed % (steps.size() - 2)];  // at least one where sizes may differ
  some.kind = seed % 3 ? K::kAllGather : K::kReduceScatter;
  some.dtype = DType::F32;
  some.op = ReduceKind::Sum;
  some.salt |= 0x300;
  some.count = std::max<size_t>(some.count, 3);
  SimScript script(seed, config.ranks, std::move(steps));
  const Parting parting = part_ways(script, seed, config.ranks, {Deviation::kSizes});
  const SimResult result = run_simulated(config, script.program());
  EXPECT_TRUE(result.world.ok()) << result.describe();
  expect_told(result, script, parting);
}

TEST(Mismatch, SizesOfTheSameTotalOverPages) {
  for_each_seed(kSeeds / 5, [](uint64_t seed) {
    SimConfig config = small_config(seed);
    config.shared_pages = true;
    expect_sizes_compared(seed, config);
  });
}

TEST(Mismatch, SizesOfTheSameTotalOverMessages) {
  for_each_seed(kSeeds / 5, [](uint64_t seed) {
    SimConfig config = small_config(seed);
    config.shared_pages = false;
    expect_sizes_compared(seed, config);
  });
}

TEST(Mismatch, SizesOfTheSameTotalOnHosts) {
  for_each_seed(kSeeds / 5, [](uint64_t seed) { expect_sizes_compared(seed, hosts_config(seed)); });
}

}  // namespace
}  // namespace dlslime
