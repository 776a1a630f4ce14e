// Which engine a pair of ranks uses, what it passed over, and who hears of it. With engines that do as they are told.
#include "collective/route.h"

#include <gtest/gtest.h>

#include "collective/group_builder.h"
#include "support/scripted_endpoint.h"

namespace dlslime {
namespace {

const Status kYes, kRefused(Code::kUnavailable, "refused"), kElsewhere(Code::kElsewhere, "another host");

Outlook outlook(std::initializer_list<std::pair<std::string, Status>> engines) {
  Outlook made;
  for (const auto& [name, can] : engines) made.say(name, can);
  return made;
}

TEST(Route, TheFirstThatReachesBothWays) {
  const Route route = route_between(outlook({{"swift", kYes}, {"sure", kYes}}),
                                    outlook({{"swift", kYes}, {"sure", kYes}}), true);
  EXPECT_EQ(route.engine, "swift");
  EXPECT_EQ(route.preferred, "");
}

TEST(Route, WhatIsInTheWayOnOneSideIsKnownOnBoth) {
  const Outlook blind = outlook({{"swift", kRefused}, {"sure", kYes}});
  const Outlook sees = outlook({{"swift", kYes}, {"sure", kYes}});
  const Route low = route_between(blind, sees, true), high = route_between(sees, blind, false);
  EXPECT_EQ(low.engine, "sure");
  EXPECT_EQ(high.engine, "sure");
  EXPECT_EQ(low.preferred, "swift");
  EXPECT_EQ(high.preferred, "swift");
  EXPECT_EQ(low.why, "refused");
  EXPECT_EQ(high.why, "the other side says: refused");
}

TEST(Route, AnotherHostIsNoFallback) {
  const Outlook far = outlook({{"swift", kElsewhere}, {"sure", kYes}});
  EXPECT_EQ(route_between(far, far, true).preferred, "");
  EXPECT_EQ(route_between(far, far, true).engine, "sure");
  // One that could not even be made says the same of all peers; the other side knows that it is elsewhere.
  EXPECT_EQ(route_between(outlook({{"swift", kRefused}, {"sure", kYes}}), far, true).preferred, "");
}

TEST(Route, WhatOneSideDoesNotAllowIsNoFallback) {
  const Outlook both = outlook({{"swift", kRefused}, {"sure", kYes}}), one = outlook({{"sure", kYes}});
  EXPECT_EQ(route_between(both, one, true).preferred, "");
  EXPECT_EQ(route_between(both, one, false).engine, "sure");
}

TEST(Route, TheLowerRanksPreferenceCounts) {
  const Outlook swift = outlook({{"swift", kYes}, {"sure", kYes}}),
                sure = outlook({{"sure", kYes}, {"swift", kYes}});
  EXPECT_EQ(route_between(swift, sure, true).engine, "swift");
  EXPECT_EQ(route_between(sure, swift, false).engine, "swift");
  EXPECT_EQ(route_between(swift, sure, false).engine, "sure");
}

TEST(Outlook, TravelsInOffers) {
  const Outlook said = outlook({{"swift", kRefused}, {"far", kElsewhere}, {"sure", kYes}});
  Blob offers;
  said.write(7, &offers);
  const Outlook read = Outlook::read(offers, 7);
  EXPECT_EQ(read.wanted(), said.wanted());
  EXPECT_EQ(read.reaching(), std::vector<std::string>{"sure"});
  EXPECT_EQ(Outlook::reaching(offers, 7), read.reaching());
  EXPECT_EQ(read.on("swift")->what(), "refused");
  EXPECT_EQ(read.on("far")->code(), Code::kElsewhere);
  EXPECT_EQ(read.on("other"), nullptr);
  EXPECT_EQ(read.obstacles(), "swift: refused; far: another host");
  EXPECT_TRUE(Outlook::read(Blob{}, 7).wanted().empty());
}

TEST(Notices, OneForEachReason) {
  std::vector<PeerInfo> peers(4);
  for (int rank = 0; rank < 4; ++rank)
    peers[size_t(rank)].pid = 100 + rank, peers[size_t(rank)].host = "here";
  const Route fell{"sure", "swift", "refused", ""};
  const auto said = notices({{}, fell, fell, {"swift", "", "", "half as fast"}}, peers);
  ASSERT_EQ(said.size(), 2u);
  EXPECT_EQ(said[0].text,
            "for rank 1 (process 101, host here) and 1 more, engine sure is used instead of swift: refused");
  EXPECT_EQ(said[1].text, "for rank 3 (process 103, host here), engine swift is hampered: half as fast");
  EXPECT_EQ(notices({{}, {}, fell}, peers)[0].key, said[0].key) << "the same reason with another rank";
}

// ---- the builder, with engines that do as they are told ----

struct Told {
  Status reach = {}, offer = {}, share = {};
  std::string hampered = {};
  bool pages = false;
};

class Obedient final : public Engine {
 public:
  Obedient(std::string name, Told told)
      : name_(std::move(name)),
        told_(std::move(told)),
        can_{.max_message = 4096, .shared_pages = told_.pages} {}
  std::string_view name() const override { return name_; }
  const Capabilities& capabilities() const override { return can_; }
  std::string address() const override { return "somewhere"; }
  Status reach(const PeerInfo&) override { return told_.reach; }
  Status offer(const PeerInfo&, uint64_t, std::string*) override { return told_.offer; }
  std::unique_ptr<Endpoint> connect(const PeerInfo&, uint64_t, std::string_view, EndpointHandler&) override {
    auto endpoint = std::make_unique<ScriptedEndpoint>(name_);
    endpoint->hampered = told_.hampered;
    return endpoint;
  }
  Status share(const SharedPages::Layout&, std::unique_ptr<SharedPages>*) override { return told_.share; }
  bool poll() override { return false; }

 private:
  const std::string name_;
  const Told told_;
  const Capabilities can_;
};

struct OneRank {
  OneRank(int rank, const Told& swift, std::vector<std::string> engines)
      : executor(clock, nullptr, Ladder{}),
        runtime(executor, regions, new_identity("here")),
        messenger(executor, regions) {
    runtime.add(std::make_unique<Obedient>("swift", swift));
    runtime.add(std::make_unique<Obedient>("sure", Told{}));
    builder = std::make_unique<GroupBuilder>(runtime, messenger,
                                             GroupBuilder::Spec{"test", rank, 2, std::move(engines), {}, {}});
  }
  SteadyClock clock;
  Executor executor;
  RegionTable regions;
  Runtime runtime;
  Messenger messenger;
  std::unique_ptr<GroupBuilder> builder;
  std::unique_ptr<Group> group;
  Status status;
};

struct Two {
  Two(const Told& swift_of_0, const Told& swift_of_1, const std::vector<std::string>& engines = {})
      : ranks{{0, swift_of_0, engines}, {1, swift_of_1, engines}} {
    const std::vector<std::string> hellos{ranks[0].builder->hello(), ranks[1].builder->hello()};
    std::vector<std::string> offers;
    for (OneRank& rank : ranks) {
      EXPECT_TRUE(rank.builder->meet(hellos).ok());
      offers.push_back(rank.builder->offers());
    }
    for (OneRank& rank : ranks) rank.status = rank.builder->connect(offers, &rank.group);
  }
  const Route& route(int rank) { return ranks[rank].group->routes()[size_t(1 - rank)]; }
  std::vector<Notice> notices(int rank) { return ranks[rank].builder->notices(); }
  OneRank ranks[2];
};

TEST(GroupBuilder, SaysWhatItPassedOver) {
  Two two({.reach = kRefused}, {});
  for (int rank : {0, 1}) {
    ASSERT_TRUE(two.ranks[rank].status.ok()) << two.ranks[rank].status.to_string();
    EXPECT_EQ(two.ranks[rank].group->engines(), "sure");
    EXPECT_EQ(two.route(rank).preferred, "swift");
    EXPECT_EQ(two.notices(rank).size(), 1u);
  }
}

TEST(GroupBuilder, AnOfferThatCanNotBeMadeIsAFallback) {
  Two two({}, {.offer = Status(Code::kUnavailable, "no room")});
  ASSERT_TRUE(two.ranks[0].status.ok());
  EXPECT_EQ(two.route(0).engine, "sure");
  EXPECT_EQ(two.route(0).why, "the other side says: no room");
  EXPECT_EQ(two.route(1).why, "no room");
}

TEST(GroupBuilder, ForbiddenFallbackNamesPeerEngineAndReason) {
  Two two({.reach = kRefused}, {}, {"swift"});
  for (const OneRank& rank : two.ranks) {
    EXPECT_EQ(rank.status.code(), Code::kUnavailable);
    EXPECT_EQ(rank.status.what(), "no engine connects rank 0 and rank 1 (swift: refused | )");
  }
}

TEST(GroupBuilder, MemoryThatCanNotBeSharedIsSaid) {
  const Status full(Code::kUnavailable, "full");
  Two two({.share = full, .pages = true}, {.share = full, .pages = true});
  for (int rank : {0, 1}) {
    ASSERT_TRUE(two.ranks[rank].status.ok());
    EXPECT_EQ(two.route(rank).engine, "swift");
    EXPECT_EQ(two.ranks[rank].group->why_no_pages(), "rank 0 has none to share: full");
    EXPECT_EQ(two.notices(rank).size(), 1u);
  }
}

TEST(GroupBuilder, MemoryIsNotMissedWhereItCouldNotBeSharedAnyway) {
  const Status full(Code::kUnavailable, "full");
  Two two({.reach = kRefused, .pages = true}, {.share = full, .pages = true});
  EXPECT_EQ(two.ranks[0].group->why_no_pages(), "");
  EXPECT_EQ(two.notices(1).size(), 1u);
}

TEST(GroupBuilder, SaysThatAnEngineIsHampered) {
  Two two({.hampered = "half as fast"}, {});
  EXPECT_EQ(two.route(0).hampered, "half as fast");
  EXPECT_EQ(two.route(1).hampered, "");
  EXPECT_EQ(two.notices(0).size(), 1u);
  EXPECT_EQ(two.notices(1).size(), 0u);
}

}  // namespace
}  // namespace dlslime
