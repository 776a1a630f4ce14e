// Who needs the token while a collective copies: many peers' small parts take as long as one large part.
#include <deque>

#include "budgets/budget.h"
#include "collective/collectives.h"

namespace dlslime::budgets {
namespace {

constexpr int kRanks = 4;
constexpr DType kType = DType::U8;

// One rank's tensors: a part for each rank in, and one out.
struct Tensors {
  explicit Tensors(size_t bytes) : memory(2 * kRanks * bytes) {
    for (size_t i = 0; i < kRanks; ++i) {
      in.push_back(Bytes(memory).subspan(i * bytes, bytes));
      out.push_back(Bytes(memory).subspan((kRanks + i) * bytes, bytes));
    }
  }
  std::vector<std::byte> memory;
  std::vector<ConstBytes> in;
  std::vector<Bytes> out;
};
using Call = Task<> (*)(Group&, Tensors&);

class Token : public testing::Test {
 protected:
  Token() {
    std::vector<Rank*> pointers;
    for (Rank& rank : ranks_) pointers.push_back(&rank);
    Rank::join(pointers);
  }

  // The others' executors do bulk work, that of `subject` does none: true where it needs none.
  bool keeps_it(size_t subject, size_t bytes, Call call) {
    std::deque<Tensors> tensors;
    std::deque<GroupOperation> operations;
    for (Rank& rank : ranks_) {
      Tensors& its = tensors.emplace_back(bytes);
      rank.executor().submit(operations.emplace_back(
          rank.group(), Operation::Order::kOrdered, std::chrono::minutes(1),
          [&its, call](Group& group) { return call(group, its); }, "a collective"));
    }
    turns(subject, false);
    const bool kept = operations[subject].done();
    turns(subject, true);
    for (const GroupOperation& operation : operations)
      EXPECT_TRUE(operation.done() && operation.status().ok()) << operation.status().to_string();
    return kept;
  }

 private:
  void turns(size_t subject, bool with_bulk) {
    for (int turn = 0; turn < 50; ++turn) {
      for (size_t i = 0; i < kRanks; ++i) {
        Executor& executor = ranks_[i].executor();
        executor.with_token([&] { executor.pass(i != subject || with_bulk); });
      }
    }
  }

  std::deque<Rank> ranks_ = std::deque<Rank>(kRanks);
};

TEST_F(Token, IsGivenAwayByTheSumOverThePeers) {
  const struct {
    const char* name;
    Call call;
    size_t subject;
  } collectives[] = {
      {"all_gather", [](Group& group, Tensors& t) { return all_gather(group, kType, t.in[0], t.out); }, 1},
      {"all_to_all", [](Group& group, Tensors& t) { return all_to_all(group, kType, t.in, t.out); }, 1},
      {"reduce_scatter",
       [](Group& group, Tensors& t) {
         return reduce_scatter(group, ReduceSpec{.kind = ReduceKind::Max, .dtype = kType}, t.in, t.out[0]);
       },
       1},
      {"gather, root", [](Group& group, Tensors& t) { return gather(group, kType, t.in[0], t.out, 1); }, 1},
      {"scatter, root", [](Group& group, Tensors& t) { return scatter(group, kType, t.in, t.out[0], 1); }, 1},
  };
  for (const auto& collective : collectives) {
    SCOPED_TRACE(collective.name);
    EXPECT_TRUE(keeps_it(collective.subject, 10 << 10, collective.call)) << "30 KiB of three peers";
    EXPECT_FALSE(keeps_it(collective.subject, 12 << 10, collective.call)) << "36 KiB, through the slots";
    EXPECT_FALSE(keeps_it(collective.subject, 24 << 10, collective.call)) << "72 KiB, out of their memory";
  }
}

// Who moves one part of those keeps it.
TEST_F(Token, IsKeptByWhoCopiesLittle) {
  const auto gather_to_1 = [](Group& group, Tensors& t) { return gather(group, kType, t.in[0], t.out, 1); };
  const auto scatter_of_1 = [](Group& group, Tensors& t) { return scatter(group, kType, t.in, t.out[0], 1); };
  EXPECT_TRUE(keeps_it(2, 24 << 10, gather_to_1));
  EXPECT_TRUE(keeps_it(2, 24 << 10, scatter_of_1));
}

}  // namespace
}  // namespace dlslime::budgets
