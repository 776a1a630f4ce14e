// Budgets of the collectives over shared pages, two ranks: no system call, no allocation, no mutex, whatever the size; how many copies.
#include "collective/collectives.h"

#include "budgets/budget.h"

namespace dlslime::budgets {
namespace {

constexpr size_t kWords = 64;         // what is said, not moved
constexpr size_t kPiece = 256 << 10;  // a slot

// One rank's tensors: two parts of `bytes` in and two out. In `heap`, or in private memory.
struct Tensors {
  explicit Tensors(size_t bytes, SharedHeap* where = nullptr) : memory(4 * bytes), all(memory), heap(where) {
    if (heap) {
      EXPECT_TRUE(heap->allocate(memory.size(), &all).ok());
    }
    for (size_t i = 0; i < 2; ++i) {
      in.push_back(all.subspan(i * bytes, bytes));
      out.push_back(all.subspan((2 + i) * bytes, bytes));
    }
  }
  ~Tensors() {
    if (heap) heap->free(all);
  }
  Tensors(const Tensors&) = delete;
  Tensors& operator=(const Tensors&) = delete;

  std::vector<std::byte> memory;
  Bytes all;
  SharedHeap* heap;
  std::vector<ConstBytes> in;
  std::vector<Bytes> out;
};

constexpr ReduceSpec kSum;
constexpr DType kType = DType::F32;

// Copies of a part, each of S bytes, by the root (rank 0) and by the other rank; what a reduction reads is not copied.
struct Copies {
  double root, other;
};
struct Collective {
  const char* name;
  Task<> (*call)(Group&, Tensors&);
  Copies small, large;  // S up to 32 KiB, and beyond
  uint64_t steps;       // of bulk work, for every slot's worth of a part
  bool pulls = false;   // parts beyond 16 KiB, by a system call for each peer
};

constexpr Collective kCollectives[] = {
    {"barrier", [](Group& group, Tensors&) { return barrier(group); }, {0, 0}, {0, 0}, 0},
    {"broadcast",
     [](Group& group, Tensors& t) { return broadcast(group, kType, t.out[0], 0); },
     {1, 1},
     {1, 1},
     1},
    {"all_reduce",
     [](Group& group, Tensors& t) { return all_reduce(group, kSum, t.out[0]); },
     {1, 1},
     {1.5, 1.5},
     3},
    {"reduce",
     [](Group& group, Tensors& t) { return reduce(group, kSum, t.out[0], 0); },
     {0, 1},
     {1.5, 0.5},
     3},
    {"all_gather",
     [](Group& group, Tensors& t) { return all_gather(group, kType, t.in[0], t.out); },
     {3, 3},
     {1, 1},
     3,
     true},
    {"gather",
     [](Group& group, Tensors& t) { return gather(group, kType, t.in[0], t.out, 0); },
     {2, 1},
     {2, 1},
     2},
    {"scatter",
     [](Group& group, Tensors& t) { return scatter(group, kType, t.in, t.out[0], 0); },
     {2, 1},
     {2, 1},
     3},
    {"reduce_scatter",
     [](Group& group, Tensors& t) { return reduce_scatter(group, kSum, t.in, t.out[0]); },
     {1, 1},
     {1, 1},
     4},
    {"all_to_all",
     [](Group& group, Tensors& t) { return all_to_all(group, kType, t.in, t.out); },
     {3, 3},
     {1, 1},
     5,
     true},
};

class Collectives : public testing::TestWithParam<int> {  // the subject's rank
 protected:
  void expect(const Collective& collective, size_t bytes, const Budget& budget) {
    Tensors mine(bytes), theirs(bytes);
    expect(collective, mine, theirs, budget);
  }
  void expect(const Collective& collective, Tensors& mine, Tensors& theirs, const Budget& budget) {
    expect(pair_, collective, mine, theirs, budget);
  }
  static void expect(Pair& pair, const Collective& collective, Tensors& mine, Tensors& theirs,
                     const Budget& budget) {
    SCOPED_TRACE(std::string(collective.name) + ", " + std::to_string(mine.out[0].size()) + " bytes");
    const auto call_with = [&collective](Tensors& tensors) {
      return [&collective, &tensors](Group& group) { return collective.call(group, tensors); };
    };
    for (int i = 0; i < kWarmUp + kCounted && !HasFailure(); ++i) {
      const Cost cost = pair.run(Operation::Order::kOrdered, call_with(mine), call_with(theirs));
      if (i >= kWarmUp) expect_within(cost, budget);
    }
  }
  uint64_t copies(const Copies& copies, size_t bytes) const {
    return uint64_t((GetParam() == 0 ? copies.root : copies.other) * double(bytes));
  }

  Pair pair_{GetParam()};
};

// A call that copies little enough holds the token from start to end.
TEST_P(Collectives, Small) {
  for (const Collective& collective : kCollectives) {
    for (const size_t bytes : {8, 64, 128, 4096, 16 << 10})
      expect(collective, bytes, {.copied = copies(collective.small, bytes)});
    expect(collective, 32 << 10,
           {.copied = copies(collective.small, 32 << 10), .system_calls = collective.pulls});
  }
}

TEST_P(Collectives, Large) {
  for (const Collective& collective : kCollectives) {
    for (const size_t bytes : {64 << 10, 1 << 20}) {
      const uint64_t chunks = (bytes + kPiece - 1) / kPiece;
      expect(collective, bytes,
             {.copied = copies(collective.large, bytes) + kWords,
              .token = 2 + collective.steps * chunks,
              .system_calls = collective.pulls});
    }
  }
}

// Where the processor hands_over_fast(), nothing is pulled.
TEST_P(Collectives, FastHandover) {
  Pair pair(GetParam(), true, kFastHandoverPlan);
  for (const Collective& collective : kCollectives) {
    if (!collective.pulls) continue;
    for (const size_t bytes : {32 << 10, 64 << 10, 1 << 20}) {
      const uint64_t chunks = (bytes + kPiece - 1) / kPiece;
      Tensors mine(bytes), theirs(bytes);
      expect(pair, collective, mine, theirs,
             {.copied = copies(collective.small, bytes) + kWords,
              .token = bytes > 32 << 10 ? 2 + collective.steps * chunks : 1});
    }
  }
}

// What the others have mapped is reduced, and taken, where it lies: no rank writes what it has already.
TEST_P(Collectives, Mapped) {
  const Collective all_reduce{
      "all_reduce, mapped",
      [](Group& group, Tensors& t) { return dlslime::all_reduce(group, kSum, t.out[0]); },
      {1, 1},
      {0.5, 0.5},
      2};
  for (const size_t bytes : {64 << 10, 1 << 20}) {
    const uint64_t chunks = (bytes + kPiece - 1) / kPiece;
    Tensors mine(bytes, &pair_.heap_of(GetParam())), theirs(bytes, &pair_.heap_of(1 - GetParam()));
    expect(all_reduce, mine, theirs,
           {.copied = copies(all_reduce.large, bytes) + kWords, .token = 1 + all_reduce.steps * chunks});
  }
}

constexpr auto kRankName = [](const auto& info) { return "Rank" + std::to_string(info.param); };
INSTANTIATE_TEST_SUITE_P(Budgets, Collectives, testing::Values(0, 1), kRankName);

}  // namespace
}  // namespace dlslime::budgets
