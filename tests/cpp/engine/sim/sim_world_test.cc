// The simulator itself: replayable, late, honest about deadlocks, deadly when told.
#include "engine/sim/sim_world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "support/seeds.h"
#include "support/sim_run.h"
#include "support/sim_store.h"

namespace dlslime {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

std::unique_ptr<SharedPages> shared(SimHost& host, const SharedPages::Layout& layout) {
  std::unique_ptr<SharedPages> pages;
  EXPECT_TRUE(host.engine().share(layout, &pages).ok());
  return pages;
}

// Connects to everybody, counts what comes.
class Inbox : public EndpointHandler {
 public:
  Inbox(SimHost& host, int ranks) {
    for (int peer = 0; peer < ranks; ++peer) {
      if (peer == host.rank()) continue;
      endpoints_[peer] = host.engine().connect(host.world().host(peer).info(), 0, "", *this);
    }
  }
  void message(Endpoint& from, std::span<const std::byte> bytes) override {
    received_[rank_of(from)].append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void landed(Endpoint&, uint64_t) override {}
  void writable(Endpoint&) override {}
  void down(Endpoint& endpoint, const Status& why) override { down_[rank_of(endpoint)] = why; }

  void send(int to, std::string_view text) { endpoints_[to]->post(std::as_bytes(std::span(text)), {}); }
  const std::string& from(int rank) { return received_[rank]; }
  const Status& down(int rank) { return down_[rank]; }
  bool flushed() const {
    return std::ranges::all_of(endpoints_,
                               [](const auto& e) { return e.second->flushed() || !e.second->state().ok(); });
  }

 private:
  int rank_of(const Endpoint& endpoint) const {
    for (const auto& [rank, mine] : endpoints_) {
      if (mine.get() == &endpoint) return rank;
    }
    return -1;
  }
  std::map<int, std::unique_ptr<Endpoint>> endpoints_;
  std::map<int, std::string> received_;
  std::map<int, Status> down_;
};

// Every rank greets every other, twice.
Task<> greet_all(SimHost& host) {
  const int ranks = host.world().size();
  Inbox inbox(host, ranks);
  for (int peer = 0; peer < ranks; ++peer) {
    if (peer == host.rank()) continue;
    inbox.send(peer, "hello ");
    inbox.send(peer, "from " + std::to_string(host.rank()));
  }
  for (int peer = 0; peer < ranks; ++peer) {
    if (peer == host.rank()) continue;
    const std::string wanted = "hello from " + std::to_string(peer);
    co_await until([&inbox, &wanted, peer] {
      return inbox.from(peer).size() >= wanted.size() || !inbox.down(peer).ok();
    });
    if (inbox.from(peer) != wanted) throw Failure(inbox.down(peer));
  }
  co_await until([&inbox] { return inbox.flushed(); });  // leaving closes the connections
}

// A barrier over shared pages.
Task<> barrier(SimHost& host, SimStore& store) {
  const int ranks = host.world().size();
  auto pages = shared(host, {host.rank(), ranks, 1, 64});
  store.set(host, "pages" + std::to_string(host.rank()), pages->offer());
  for (int peer = 0; peer < ranks; ++peer) {
    const std::string key = "pages" + std::to_string(peer);
    const std::string offer = co_await store.wait(key);
    const Status attached = pages->attach(peer, host.world().host(peer).info(), offer);
    if (!attached.ok()) throw Failure(attached);
  }
  SharedPages* p = pages.get();
  for (uint64_t round = 1; round <= 10; ++round) {
    pages->publish(0, round);
    for (int peer = 0; peer < ranks; ++peer) {
      co_await until([p, peer, round] { return p->read(peer, 0) >= round; });
    }
  }
}

TEST(SimWorld, EverybodyHearsEverybody) {
  for_each_seed(200, [](uint64_t seed) {
    const SimResult result = run_simulated(SimConfig::for_seed(seed, 2 + int(seed % 7)), greet_all);
    ASSERT_TRUE(result.ok()) << result.describe();
  });
}

TEST(SimWorld, TheSameSeedRunsTheSame) {
  for_each_seed(50, [](uint64_t seed) {
    const auto run = [&] { return run_simulated(SimConfig::for_seed(seed, 5), greet_all); };
    const SimResult one = run(), two = run();
    ASSERT_EQ(one.describe(), two.describe());
    ASSERT_EQ(one.duration, two.duration);
    ASSERT_EQ(one.events, two.events);
    ASSERT_EQ(one.when, two.when);
  });
}

TEST(SimWorld, SeedsDiffer) {
  std::map<uint64_t, int> durations;
  for (uint64_t seed = 0; seed < 64; ++seed) {
    ++durations[run_simulated(SimConfig::for_seed(seed, 4), greet_all).duration.count()];
  }
  EXPECT_GT(durations.size(), 32u);
}

TEST(SimWorld, SixtyFourRanks) {
  const SimResult result = run_simulated(SimConfig::for_seed(7, 64), greet_all);
  ASSERT_TRUE(result.ok()) << result.describe();
}

TEST(SimWorld, ADeadRanksPeersHearOfIt) {
  for_each_seed(200, [](uint64_t seed) {
    SimOptions options;
    options.faults = {{SimFault::Kind::kKill, 1, seed % 20}};
    const SimResult result = run_simulated(SimConfig::for_seed(seed, 3), greet_all, options);
    ASSERT_TRUE(result.world.ok()) << result.describe();
    for (int rank : {0, 2}) {
      ASSERT_TRUE(result.ended[rank]) << result.describe();
      // A peer that ended early because of the death may be the first that is missed.
      const Code code = result.ranks[rank].code();
      ASSERT_TRUE(code == Code::kOk || code == Code::kPeerDied || code == Code::kLinkLost)
          << result.describe();
    }
    if (result.ended[1]) return;
    ASSERT_EQ(result.ranks[1].code(), Code::kAborted);
  });
}

TEST(SimWorld, NobodyIsToldOfAFrozenRank) {
  SimOptions options;
  options.faults = {{SimFault::Kind::kFreeze, 1, 0}};
  const SimResult result = run_simulated(SimConfig::for_seed(3, 3), greet_all, options);
  ASSERT_TRUE(result.world.ok()) << result.describe();
  EXPECT_EQ(result.ranks[0].code(), Code::kTimeout);
  EXPECT_EQ(result.ranks[2].code(), Code::kTimeout);
  EXPECT_GE(result.when[0], options.deadline);
  EXPECT_FALSE(result.ended[1]);
}

TEST(SimWorld, ADeadlockNamesEveryOperation) {
  SimOptions options;
  options.deadline = kNever;
  const SimProgram hang = [](SimHost&) -> Task<> {
    Event never;
    co_await never.wait();
  };
  const SimResult result = run_simulated(SimConfig::for_seed(1, 2), hang, options);
  EXPECT_EQ(result.world.code(), Code::kInternal);
  EXPECT_NE(result.world.what().find("deadlock"), std::string::npos) << result.world.what();
  EXPECT_NE(result.world.what().find("the program of rank 1"), std::string::npos) << result.world.what();
}

TEST(SimWorld, ALivelockIsTold) {
  SimOptions options;
  options.deadline = kNever;
  const SimProgram spin = [](SimHost&) -> Task<> {
    while (true) co_await bulk([] {});
  };
  SimConfig config;
  config.ranks = 1;
  const SimResult result = run_simulated(config, spin, options);
  EXPECT_NE(result.world.what().find("livelock"), std::string::npos) << result.world.what();
}

TEST(SimWorld, WordsArriveLateAndInOrder) {
  for_each_seed(200, [](uint64_t seed) {
    SimStore store;
    const SimResult result = run_simulated(SimConfig::for_seed(seed, 2 + int(seed % 7)),
                                           [&](SimHost& host) { return barrier(host, store); });
    ASSERT_TRUE(result.ok()) << result.describe();
  });
}

TEST(SimWorld, WhatADeadRankPublishedStillArrives) {
  SimConfig config;
  config.delays = Delays::uniform(milliseconds(10));
  SimWorld world(config);
  auto writer = shared(world.host(0), {0, 2, 4, 0});
  auto reader = shared(world.host(1), {1, 2, 4, 0});
  ASSERT_TRUE(reader->attach(0, world.host(0).info(), writer->offer()).ok());
  writer->publish(2, 1);
  writer->publish(2, 5);
  EXPECT_EQ(writer->read(0, 2), 5u);
  EXPECT_EQ(reader->read(0, 2), 0u);
  world.kill(0);
  writer->publish(2, 6);
  EXPECT_TRUE(world.run_until([&] { return reader->read(0, 2) == 5; }).ok());
  EXPECT_FALSE(world.run_until([&] { return reader->read(0, 2) == 6; }).ok());
}

TEST(SimWorld, ThawedRankGoesOn) {
  SimConfig config;
  SimWorld world(config);
  bool ran = false;
  world.freeze(1);
  world.at(seconds(1), [&] { world.thaw(1); });
  struct Op : Operation {
    explicit Op(bool& r) : Operation(nullptr, Order::kFree, kNever), ran(r) {}
    Task<> body() override { return set(ran); }
    static Task<> set(bool& ran) {
      ran = true;
      co_return;
    }
    std::string describe() const override { return "op"; }
    bool& ran;
  } op(ran);
  world.host(1).submit(op);
  EXPECT_TRUE(world.run_until([&] { return op.done(); }).ok());
  EXPECT_TRUE(ran);
  EXPECT_EQ(world.now(), seconds(1));
}

}  // namespace
}  // namespace dlslime
