// A rank whose collective fails has its buffers back when its caller hears of it, and may write to them at once. Who was still
// reading them fails, too: nobody ends well with what was written since.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "collective/collectives.h"
#include "collective/sim_program.h"
#include "support/seeds.h"

namespace dlslime {
namespace {

constexpr std::byte kGood{0x5A}, kSince{0xC3};

enum class Reading { kRoots, kAllGather, kMapped };

struct Tally {
  int late = 0;   // worlds in which the owner's time was up
  int since = 0;  // readers that have what was written since, and know it
};

// What a rank takes part with: where others read, and where it puts what it reads.
struct Buffers {
  Buffers(int ranks, size_t bytes) : mine(bytes, kGood), all(size_t(ranks), std::vector<std::byte>(bytes)) {}
  std::vector<std::byte> mine;
  std::vector<std::vector<std::byte>> all;

  Task<> call(Group& group, Reading reading) {
    if (reading == Reading::kRoots) co_return co_await broadcast(group, DType::U8, mine, 0);
    if (reading == Reading::kMapped)
      co_return co_await all_reduce(group, {ReduceKind::BitOr, DType::U8}, mine);
    std::vector<Bytes> into(all.begin(), all.end());
    co_await all_gather(group, DType::U8, mine, into);
  }
  bool has_since(Reading reading) const {  // or what it was combined with
    const auto since = [](std::byte b) { return (b & ~kGood & kSince) != std::byte{0}; };
    return std::ranges::any_of(reading == Reading::kAllGather ? all[0] : mine, since);
  }
};

Task<> take_part(SimHost& host, SimStore& store, Reading reading, Nanos patience, Tally& tally) {
  const bool owner = host.rank() == 0;
  Buffers buffers(host.world().size(), 48 << 10);
  if (!owner && reading == Reading::kRoots) std::ranges::fill(buffers.mine, std::byte{0});
  SimRank rank(host);
  co_await rank.join(store, "world",
                     plan_of("broadcast local up to *: pull\nall_gather local up to *: pull\n"
                             "all_reduce local up to *: two_shot"));
  const auto body = [&buffers, reading](Group& group) { return buffers.call(group, reading); };
  const Nanos limit = owner ? patience : std::chrono::seconds(10);
  GroupOperation op(rank.group(), Operation::Order::kOrdered, limit, body, "reading");
  host.submit(op);
  co_await finished(op);
  if (owner && !op.status().ok()) {
    ++tally.late;
    std::ranges::fill(buffers.mine, kSince);
  }
  const bool since = !owner && buffers.has_since(reading);
  EXPECT_FALSE(since && op.status().ok()) << "rank " << host.rank() << " ended well with what was never sent";
  tally.since += since;
  co_await rank.leave();
}

void expect_no_late_bytes(Reading reading) {
  Tally tally;
  int seeds = 0;
  for_each_seed(kSeeds, [&](uint64_t seed) {
    ++seeds;
    SimConfig config = SimConfig::for_seed(seed, 2 + int(seed % 3));
    config.shared_pages = config.read_private = true;
    config.maps = SimConfig::Maps::kAll;
    std::mt19937_64 random(seed);
    const Nanos patience{1 + random() % (1u << random() % 24)};
    SimStore store;
    const auto result = run_simulated(
        config, [&](SimHost& host) -> Task<> { return take_part(host, store, reading, patience, tally); });
    EXPECT_TRUE(result.world.ok()) << result.describe();
  });
  if (seeds < 10) return;
  EXPECT_GT(tally.late, seeds / 10) << "the owner is hardly ever stopped";
  EXPECT_GT(tally.since, 0) << "nobody has read late";
}

TEST(TakenBack, TheRootsData) { expect_no_late_bytes(Reading::kRoots); }
TEST(TakenBack, WhatIsReducedWhereItLies) { expect_no_late_bytes(Reading::kMapped); }
TEST(TakenBack, APartOfAllGather) { expect_no_late_bytes(Reading::kAllGather); }

}  // namespace
}  // namespace dlslime
