// What a group on several hosts owes others beside right results: turns, memory, and word of a difference. Simulated.
#include "collective/hierarchy/hierarchy.h"

#include <gtest/gtest.h>

#include "collective/copy_own.h"
#include "collective/sim_group.h"
#include "collective/step.h"

namespace dlslime {
namespace {

constexpr size_t kMiB = 1 << 20;
using Body = std::function<Task<>(SimRank&)>;

SimResult run(const std::vector<int>& host_of, const std::string& plan, const Body& body) {
  SimConfig config;
  config.ranks = int(host_of.size());
  config.host_of = host_of;
  config.read_private = true;
  config.pipe_capacity = 64 * kMiB;  // messages take few turns
  SimStore store;
  return run_simulated(config, [&](SimHost& host) -> Task<> {
    SimRank rank(host);
    co_await rank.join(store, "world", plan_of(plan));
    std::exception_ptr error;
    try {
      co_await body(rank);
    } catch (const Failure&) {
      error = std::current_exception();
    }
    co_await rank.leave();
    if (error) std::rethrow_exception(error);
  });
}

Task<> call(SimRank& rank, const GroupCall& what) {
  co_await rank.end(rank.issue(rank.group(), Operation::Order::kOrdered, what, "what is tested"));
}

// ---- turns ----

// How often another operation on this rank is looked at while it runs.
Task<size_t> turns_during(SimRank& rank, const GroupCall& what) {
  size_t turns = 0;
  bool over = false;
  const auto count = [&turns, &over] { return ++turns, over; };
  GroupOperation& other = rank.issue(
      rank.group(), Operation::Order::kFree, [count](Group&) -> Task<> { co_await until(count); }, "another");
  co_await call(rank, what);
  over = true;
  co_await rank.end(other);
  co_return turns;
}

constexpr const char* kPull =
    "all_gather local up to *: pull\nbroadcast local up to *: pull\nbroadcast "
    "hosts up to *: tree\n"
    "all_reduce hosts up to *: shards by 64 MiB\nall_gather hosts up to *: "
    "shards by 64 MiB\n";

void expect_turns(size_t least, const std::function<Task<>(Group&, std::vector<std::byte>&)>& what) {
  const SimResult result = run({0, 0, 1}, kPull, [&](SimRank& rank) -> Task<> {
    std::vector<std::byte> data(16 * kMiB);
    const GroupCall operation = [&](Group& group) { return what(group, data); };
    const size_t turns = co_await turns_during(rank, operation);
    EXPECT_TRUE(rank.host.rank() != 1 || turns >= least) << turns << " turns";
  });
  EXPECT_TRUE(result.ok()) << result.describe();
}

TEST(Hierarchy, OthersHaveTheirTurnsInABroadcast) {
  expect_turns(16 * kMiB / kBulkBytes,
               [](Group& group, auto& data) { return broadcast(group, DType::U8, data, 0); });
}

TEST(Hierarchy, OthersHaveTheirTurnsInAnAllGather) {
  constexpr size_t kPart = 5 * kMiB;
  expect_turns(2 * kPart / kBulkBytes + kPart / kCopyPiece, [](Group& group, auto& data) -> Task<> {
    std::vector<std::byte> mine(kPart);
    std::vector<Bytes> parts;
    for (size_t rank = 0; rank < 3; ++rank) parts.push_back(Bytes(data).subspan(rank * kPart, kPart));
    co_await all_gather(group, DType::U8, mine, parts);
  });
}

TEST(Hierarchy, OthersHaveTheirTurnsInAnAllToAll) {
  constexpr size_t kOwn = 8 * kMiB;
  expect_turns(kOwn / kCopyPiece, [](Group& group, auto& data) -> Task<> {
    std::vector<ConstBytes> in(3);
    std::vector<Bytes> out(3);
    in[size_t(group.rank())] = ConstBytes(data).subspan(0, kOwn);
    out[size_t(group.rank())] = Bytes(data).subspan(kOwn, kOwn);
    co_await all_to_all(group, DType::U8, in, out);
  });
}

// ---- memory ----

Task<> pause(SimRank& rank, Nanos time) {
  GroupOperation nothing(
      nullptr, rank.group(), time, [](Group&) -> Task<> { co_await until([] { return false; }); }, "pause");
  rank.host.submit(nothing);
  co_await finished(nothing);
}

TEST(Hierarchy, ScratchIsGivenBackWhenIdle) {
  const SimResult result = run({0, 0, 1, 1}, kPull, [](SimRank& rank) -> Task<> {
    Group& group = rank.group();
    for (int round = 0; round < 2; ++round) {
      std::vector<float> data(kMiB, 1);
      co_await call(rank, [&data](Group& it) {
        return all_reduce(it, {ReduceKind::Sum, DType::F32}, std::as_writable_bytes(std::span(data)));
      });
      EXPECT_EQ(std::ranges::count(data, 4.0f), long(data.size()));
      EXPECT_GT(group.scratch().bytes(), kMiB);
      EXPECT_GT(group.hierarchy()->pulled.bytes(), 0u);
      co_await pause(rank, std::chrono::milliseconds(900));
      EXPECT_GT(group.scratch().bytes(), kMiB) << "it may be needed at once";
      co_await pause(rank, std::chrono::seconds(3));
      EXPECT_EQ(group.scratch().bytes(), 0u);
      EXPECT_EQ(group.hierarchy()->pulled.bytes(), 0u);
    }
  });
  EXPECT_TRUE(result.ok()) << result.describe();
}

// Rank 1 comes late: for the others the collective goes on, and needs what has
// come.
TEST(Hierarchy, ScratchIsKeptWhileACollectiveGoesOn) {
  const SimResult result =
      run({0, 0, 1, 1}, "all_reduce hosts up to *: shards\n", [](SimRank& rank) -> Task<> {
        std::vector<float> data(kMiB, 1);
        if (rank.host.rank() == 1) co_await pause(rank, std::chrono::seconds(5));
        co_await call(rank, [&data](Group& it) {
          return all_reduce(it, {ReduceKind::Sum, DType::F32}, std::as_writable_bytes(std::span(data)));
        });
        EXPECT_EQ(std::ranges::count(data, 4.0f), long(data.size()));
      });
  EXPECT_TRUE(result.ok()) << result.describe();
}

// ---- what is compared ----

// Hosts whose ranks agree among themselves, and not with the other host.
TEST(Hierarchy, EmptyVectorsAreComparedBetweenHosts) {
  for (const std::string algorithm : {"direct", "shards"}) {
    const SimResult result =
        run({0, 0, 1, 1}, "all_reduce hosts up to *: " + algorithm + "\n", [](SimRank& rank) -> Task<> {
          const ReduceKind kind = rank.host.rank() < 2 ? ReduceKind::Sum : ReduceKind::Max;
          co_await call(rank, [kind](Group& it) { return all_reduce(it, {kind, DType::F32}, {}); });
        });
    for (const Status& status : result.ranks) EXPECT_EQ(status.code(), Code::kMismatch) << algorithm;
  }
}

}  // namespace
}  // namespace dlslime
