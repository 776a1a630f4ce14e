// Every algorithm that a plan can name, forced for its operation at every size it can do: the results are those of any other, bit for
// bit, in the simulator and over real shared memory and messages.
#include <gtest/gtest.h>

#include "collective/real_rank.h"
#include "collective/sim_program.h"
#include "support/seeds.h"

namespace dlslime {
namespace {

Step::Kind step_kind(CollectiveKind kind) {
  for (int i = 0; i < int(Step::Kind::kKinds); ++i) {
    Step step;
    step.kind = Step::Kind(i);
    if (step.name().starts_with(std::string(name_of(kind)) + "(")) return step.kind;
  }
  throw std::logic_error("no step does it");
}

// Inside a host, what several hosts do goes by its local rows.
constexpr const char* kPullInside =
    "all_gather local up to *: pull\nbroadcast local up to *: pull\n"
    "all_to_all local up to *: pull\n";

// Beyond what the algorithm can do, whatever can do more.
Plan forcing(const PlanChoice& choice, bool pull_inside = false) {
  const std::string before = std::string(name_of(choice.kind)) + " " + std::string(name_of(choice.way));
  const std::string chunk = has_chunks(choice.algorithm) ? " by 24 KiB" : "";
  const std::string name(name_of(choice.algorithm));
  const size_t most = most_of(choice.algorithm);
  if (most == SIZE_MAX)
    return plan_of((pull_inside ? kPullInside : "") + before + " up to *: " + name + chunk);
  return plan_of(before + " up to " + std::to_string(most) + " B: " + name + "\n" + before +
                 " up to *: " + std::string(name_of(in_place_of_pull(choice.kind))));
}

// At and beside every size where something changes: lines, slots, pieces of slots, chunks.
std::vector<Step> program(const PlanChoice& choice, int ranks) {
  std::vector<Step> steps;
  std::mt19937_64 random(uint64_t(ranks) * 7 + uint64_t(choice.algorithm));
  for (const size_t bytes :
       {0u, 4u, 60u, 64u, 68u, 4096u, 24576u, 24580u, 131068u, 131072u, 131076u, 262144u, 700004u}) {
    Step step;
    step.kind = step_kind(choice.kind);
    step.salt = random();
    step.dtype = random() % 3 ? DType::F32 : DType::BF16;
    step.op = random() % 3 ? ReduceKind::Sum : ReduceKind::PremulSum;
    step.count = bytes / size_of(step.dtype);
    step.root = int(random() % uint64_t(ranks));
    steps.push_back(step);
  }
  return steps;
}

class Forced : public testing::TestWithParam<PlanChoice> {};

// A large host with one that stands alone; or two of two, interleaved, and one that stands alone.
std::vector<int> hosts_of(int ranks, uint64_t seed) {
  constexpr int kLayouts[][5] = {{0, 0, 1, 0, 0}, {0, 1, 0, 1, 2}};
  const int* const layout = kLayouts[seed % std::size(kLayouts)];
  return {layout, layout + ranks};
}

TEST_P(Forced, InTheSimulator) {
  for_each_seed(20, [](uint64_t seed) {
    const int ranks = int(seed % 5) + 1;
    SimConfig config = SimConfig::for_seed(seed, ranks);
    config.shared_pages = GetParam().way != Way::kWire;
    config.read_private = seed > 10;
    if (GetParam().way == Way::kHosts) config.host_of = hosts_of(ranks, seed / 5);
    const bool pull_inside = GetParam().way == Way::kHosts && config.read_private;
    SimScript script(seed, ranks, program(GetParam(), ranks), forcing(GetParam(), pull_inside));
    const SimResult result = run_simulated(config, script.program());
    EXPECT_TRUE(result.ok()) << result.describe();
  });
}

TEST_P(Forced, OverRealMemory) {
  const bool hosts = GetParam().way == Way::kHosts;
  const Sharing sharing = GetParam().way == Way::kWire ? Sharing::kMessages : Sharing::kOnePlace;
  for (uint64_t seed = 0; seed < (hosts ? 10 : 5); ++seed) {
    const int ranks = int(seed % 5) + 1;
    RealConfig config = RealConfig::for_seed(seed, sharing);
    if (hosts) config.host_of = hosts_of(ranks, seed / 5);
    config.direct_reads = !hosts || seed % 2;
    config.in_heap = seed % 3 == 0 ? 4 : seed % 3 == 1 ? 3 : 0;
    config.ranks = ranks;
    config.steps = program(GetParam(), ranks);
    config.plan = forcing(GetParam(), hosts && config.direct_reads);
    for (const std::string& wrong : run_in_threads(config))
      EXPECT_EQ(wrong, "") << "of " << ranks << " ranks";
  }
}

std::string test_name(const testing::TestParamInfo<PlanChoice>& info) {
  std::string name;
  for (const std::string_view word :
       {std::string_view(name_of(info.param.kind)), name_of(info.param.way), name_of(info.param.algorithm)})
    name += (name.empty() ? "" : "_") + std::string(word);
  return name;
}

INSTANTIATE_TEST_SUITE_P(Plan, Forced, testing::ValuesIn(plan_choices().begin(), plan_choices().end()),
                         test_name);

}  // namespace
}  // namespace dlslime
