// The plan's table: what a text says, what is refused and why, and how ranks agree on one.
#include "collective/plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/processor.h"
#include "collective/sim_program.h"

namespace dlslime {
namespace {

using A = Algorithm;
using K = CollectiveKind;

TEST(Plan, TheBuiltInOneIsAPlan) {
  const Plan general = plan_of(kBuiltInPlan), fast = plan_of(kFastHandoverPlan);
  EXPECT_FALSE(fast.same_as(general));
  EXPECT_TRUE(Plan().same_as(hands_over_fast() ? fast : general));
  EXPECT_EQ(Plan().origin, "built in");
}

TEST(Plan, ChoosesBySize) {
  const Plan plan = plan_of(
      "all_reduce local up to 64 B: line\n"
      "all_reduce local up to 2KiB: one_shot   # no space is needed\n"
      "\n"
      "all_reduce local up to *: two_shot\n"
      "reduce wire up to *: shards by 64 KiB");
  EXPECT_EQ(plan.choose(K::kAllReduce, Way::kLocal, 0), A::kLine);
  EXPECT_EQ(plan.choose(K::kAllReduce, Way::kLocal, 64), A::kLine);
  EXPECT_EQ(plan.choose(K::kAllReduce, Way::kLocal, 65), A::kOneShot);
  EXPECT_EQ(plan.choose(K::kAllReduce, Way::kLocal, 2048), A::kOneShot);
  EXPECT_EQ(plan.choose(K::kAllReduce, Way::kLocal, 2049), A::kTwoShot);
  EXPECT_EQ(plan.choose(K::kAllReduce, Way::kLocal, UINT64_MAX), A::kTwoShot);
  EXPECT_EQ(plan.row(K::kReduce, Way::kWire, 1).chunk, 64u << 10);
  // What is not named is as built in.
  EXPECT_EQ(plan.row(K::kAllReduce, Way::kWire, 1), Plan().row(K::kAllReduce, Way::kWire, 1));
}

TEST(Plan, ComesBackFromItsText) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const Plan plan = random_plan(seed);
    EXPECT_TRUE(plan_of(plan.text()).same_as(plan)) << plan.text();
  }
}

// The ranks of an all_to_all choose without a size: a row that has one could not be agreed on.
TEST(Plan, WhatDiffersByRankChoosesNothing) {
  const Plan plan = plan_of(
      "all_to_all hosts up to *: flat\nall_to_all local up to 2 KiB: staged\n"
      "all_to_all local up to *: pull");
  EXPECT_EQ(plan.choose(K::kAllToAll, Way::kHosts, 0), A::kFlat);
  EXPECT_EQ(plan.choose(K::kAllToAll, Way::kHosts, 1 << 20), A::kFlat);
  EXPECT_EQ(plan.choose(K::kAllToAll, Way::kLocal, 1 << 20), A::kPull);
  for (const PlanChoice& choice : plan_choices()) {
    if (!sized(choice.kind, choice.way)) {
      EXPECT_EQ(most_of(choice.algorithm), SIZE_MAX) << name_of(choice.kind);
    }
  }
}

TEST(Plan, WherePrivateMemoryCanNotBeReadSomethingStagesInstead) {
  const Plan plan = plan_of("broadcast local up to 64 B: line\nbroadcast local up to *: pull");
  EXPECT_EQ(plan.choose(K::kBroadcast, Way::kLocal, 4096), A::kPull);
  EXPECT_EQ(plan.choose_staged(K::kBroadcast, Way::kLocal, 4096), A::kStaged);
  EXPECT_EQ(plan.choose_staged(K::kBroadcast, Way::kLocal, 64), A::kLine);
  for (const PlanChoice& pull : plan_choices()) {
    if (pull.algorithm != A::kPull) continue;
    EXPECT_EQ(pull.way, Way::kLocal);
    EXPECT_EQ(most_of(in_place_of_pull(pull.kind)), SIZE_MAX);
    const auto same = [&](const PlanChoice& one) {
      return one.kind == pull.kind && one.way == pull.way && one.algorithm == in_place_of_pull(pull.kind);
    };
    EXPECT_TRUE(std::ranges::any_of(plan_choices(), same)) << name_of(pull.kind);
  }
}

struct Bad {
  const char* text;
  const char* why;
};

TEST(Plan, SaysWhatIsWrongWithAText) {
  const std::string long_line(70 << 10, '#');
  const std::string many = [] {
    std::string rows;
    for (int i = 1; i < 8; ++i) rows += "reduce wire up to " + std::to_string(i) + " KiB: direct\n";
    return rows;
  }();
  const Bad bads[] = {
      {"\nallreduce local up to *: line", "line 2: no operation with a choice is called 'allreduce'"},
      {"barrier local up to *: line", "line 1: no operation with a choice is called 'barrier'"},
      {"reduce shm up to *: two_shot", "line 1: no way is called 'shm'"},
      {"reduce local to *: two_shot", "line 1: 'up' is missing at 'to'"},
      {"reduce local up to *", "line 1: ':' is missing at ''"},
      {"reduce local up to: two_shot", "line 1: ':' is no size"},
      {"reduce local up to 3: at_root", "line 1: ':' is no size"},
      {"reduce local up to 3 KB: at_root", "line 1: 'KB' is no size"},
      {"reduce local up to -3 B: at_root", "line 1: '-3' is no size"},
      {"reduce local up to 99999999999999999999 B: at_root", "is no size"},
      {"reduce local up to 99999999999999 GiB: at_root", "is no size"},
      {"reduce local up to *: tree",
       "line 1: 'tree' is no algorithm of reduce local; there are at_root, two_shot"},
      {"all_reduce wire up to *: pull", "line 1: 'pull' is no algorithm of all_reduce wire"},
      {"reduce hosts up to *: flat",
       "line 1: reduce has no choice of algorithms for hosts, only for local and wire"},
      {"all_to_all hosts up to 1 MiB: flat\nall_to_all hosts up to *: direct",
       "line 1: all_to_all hosts has one row, 'up to *': its sizes may differ by rank"},
      {"all_to_all wire up to 1 MiB: direct", "line 1: all_to_all wire has one row"},
      {"reduce local up to *: at_root", "line 1: at_root does no more than 256 KiB"},
      {"all_reduce local up to 65 B: line", "line 1: line does no more than 64 B"},
      {"reduce local up to *: two_shot by 1 MiB", "line 1: two_shot has no chunks to choose"},
      {"reduce wire up to *: shards by 1 B", "line 1: a chunk is a multiple of 64 bytes from 4 KiB"},
      {"reduce wire up to *: shards by 4100 B", "line 1: a chunk is a multiple"},
      {"reduce wire up to *: shards by", "line 1: '' is no size"},
      {"reduce wire up to *: shards by 1 MiB or so", "line 1: 'or' is too much"},
      {"reduce wire up to 2 KiB: direct\nreduce wire up to 2 KiB: shards", "line 2: sizes must grow: line 1"},
      {"reduce wire up to *: direct\n#\nreduce wire up to *: shards",
       "line 3: nothing is left after 'up to *' of line 1"},
      {"reduce wire up to 2 KiB: direct", "line 1: larger sizes are left out"},
      {many.c_str(), "line 7: more than 6 rows"},
      {long_line.c_str(), "too long for a plan"},
      {"\x01\xff reduce",
       "line 1: no operation with a choice is called '?"
       "?'"},
  };
  for (const Bad& bad : bads) {
    Plan plan;
    const Status status = Plan::parse(bad.text, &plan);
    EXPECT_EQ(status.code(), Code::kInvalid) << bad.text;
    EXPECT_NE(status.what().find(bad.why), std::string::npos) << bad.text << "\n" << status.what();
    EXPECT_TRUE(plan.same_as(Plan())) << "a bad text changes nothing";
  }
}

TEST(Plan, WhateverComesOffTheWireIsRefusedOrAPlan) {
  std::mt19937_64 random(7);
  const std::string whole = Plan().text();
  for (int i = 0; i < 3000; ++i) {
    std::string text = whole.substr(0, random() % whole.size());
    for (int change = int(random() % 4); change > 0 && !text.empty(); --change)
      text[random() % text.size()] = char(random());
    Plan plan;
    if (!Plan::parse(text, &plan).ok()) continue;
    EXPECT_TRUE(plan_of(plan.text()).same_as(plan)) << text;
  }
}

}  // namespace
}  // namespace dlslime
