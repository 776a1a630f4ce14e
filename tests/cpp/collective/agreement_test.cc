// What the ranks of a group agree on when they meet: rank 0's plan, and whether they may read each other's memory.
#include <gtest/gtest.h>

#include <algorithm>

#include "collective/local/local_group.h"
#include "collective/sim_program.h"

namespace dlslime {
namespace {

constexpr int kRanks = 3;

struct Rank {
  Status status;
  Plan plan;
  bool reads_private = false;
  std::vector<Notice> notices;
};

// The two rounds by hand: a test may say what rank 0 publishes as its plan.
std::vector<Rank> meet(const SimConfig& config, const std::vector<Plan>& plans,
                       const std::string* published = nullptr) {
  std::vector<Rank> ranks(kRanks);
  std::vector<std::string> hellos(kRanks), offers(kRanks);
  int attached = 0;
  const auto all = [](const std::vector<std::string>& blobs) {
    return [&blobs] { return std::ranges::none_of(blobs, &std::string::empty); };
  };
  const auto result = run_simulated(config, [&](SimHost& host) -> Task<> {
    SimRank sim(host);
    const auto me = size_t(host.rank());
    GroupBuilder builder(host.runtime(), sim.messenger, {"world", int(me), kRanks, {}, plans[me]});
    const auto wake_all = [&host] {
      for (int rank = 0; rank < kRanks; ++rank) host.world().wake(rank);
    };
    hellos[me] = builder.hello();
    wake_all();
    co_await until(all(hellos));
    (void)builder.meet(hellos);
    offers[me] = builder.offers();
    if (me == 0 && published) {
      Blob blob;
      (void)unpack(offers[0], &blob);
      blob["plan"] = *published;
      offers[0] = pack(blob);
    }
    wake_all();
    co_await until(all(offers));
    std::unique_ptr<Group> group;
    ranks[me].status = builder.connect(offers, &group);
    ranks[me].notices = builder.notices();
    if (!group) co_return;
    ranks[me].plan = group->plan();
    ranks[me].reads_private = group->reads_private();
    sim.groups.push_back(std::move(group));
    ++attached;
    wake_all();
    co_await until([&attached] { return attached == kRanks; });
    co_await sim.leave();
  });
  EXPECT_TRUE(result.ok()) << result.describe();
  return ranks;
}

SimConfig quiet() {
  SimConfig config;
  config.ranks = kRanks;
  return config;
}

TEST(Agreement, RankZerosPlanIsEverybodys) {
  Plan file = plan_of("all_reduce local up to *: two_shot");
  file.origin = "/etc/plan";
  const auto ranks = meet(quiet(), {file, Plan(), file});
  for (const Rank& rank : ranks) {
    ASSERT_TRUE(rank.status.ok()) << rank.status.to_string();
    EXPECT_TRUE(rank.plan.same_as(file));
  }
  EXPECT_EQ(ranks[2].plan.origin, "/etc/plan");
  EXPECT_TRUE(ranks[0].notices.empty());
  EXPECT_TRUE(ranks[2].notices.empty());
  EXPECT_EQ(ranks[1].plan.origin, "rank 0's, /etc/plan");
  ASSERT_EQ(ranks[1].notices.size(), 1u);
  EXPECT_EQ(ranks[1].notices[0].text,
            "in group world, the ranks have different plans; in use is rank 0's, /etc/plan, not this rank's, "
            "built in");
}

TEST(Agreement, WhatIsNoPlanEndsItAndNamesRankZero) {
  for (const std::string garbage : {"what?", "all_reduce local up to 1 KiB: one_shot"}) {
    for (const Rank& rank : meet(quiet(), {Plan(), Plan(), Plan()}, &garbage)) {
      EXPECT_EQ(rank.status.code(), Code::kInvalid);
      EXPECT_EQ(rank.status.peer(), 0);
      EXPECT_NE(rank.status.what().find("the plan of rank 0: line 1: "), std::string::npos)
          << rank.status.what();
    }
  }
}

TEST(Agreement, PrivateMemoryIsReadWhereAllCan) {
  for (const bool pages : {false, true}) {
    for (const bool can : {false, true}) {
      SimConfig config = quiet();
      config.shared_pages = pages;
      config.read_private = can;
      for (const Rank& rank : meet(config, {Plan(), Plan(), Plan()}))
        EXPECT_EQ(rank.reads_private, pages && can);
    }
  }
}

// One more than slots are cut for. Only what each rank says: a world of so many would take long.
TEST(Agreement, TooManyRanksOnAHostAreTold) {
  constexpr int kMany = LocalGroup::kMaxRanks + 1;
  for (const int ranks : {kMany - 1, kMany}) {
    SimConfig config = quiet();
    config.ranks = ranks;
    std::vector<std::string> hellos, offers;
    SimWorld world(config);
    std::deque<Messenger> messengers;
    std::deque<GroupBuilder> builders;
    for (int rank = 0; rank < ranks; ++rank) {
      SimHost& host = world.host(rank);
      Messenger& messenger = messengers.emplace_back(host.executor(), host.regions());
      builders.emplace_back(host.runtime(), messenger, GroupBuilder::Spec{"world", rank, ranks, {}, {}});
      hellos.push_back(builders.back().hello());
    }
    for (GroupBuilder& builder : builders) {
      ASSERT_TRUE(builder.meet(hellos).ok());
      offers.push_back(builder.offers());
    }
    std::unique_ptr<Group> group;
    ASSERT_TRUE(builders[0].connect(offers, &group).ok());
    EXPECT_EQ(bool(group->local()), ranks < kMany);
    std::string said;
    for (const Notice& notice : builders[0].notices()) said += notice.text;
    EXPECT_EQ(said.find("257 ranks of the group are on this host, and at most 256 can share memory") !=
                  std::string::npos,
              ranks == kMany)
        << said;
  }
}

}  // namespace
}  // namespace dlslime
