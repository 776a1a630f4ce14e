// The executor in one thread, by hand: order, bulk work, pollers, chores.
#include <memory>
#include <vector>

#include "base/by_hand.h"

namespace dlslime::test {
namespace {

using ExecutorTest = ByHand;

TEST_F(ExecutorTest, AnOperationThatDoesNotWaitIsDoneInSubmit) {
  Program op([&]() -> Task<> {
    log.push_back(1);
    co_return;
  });
  EXPECT_FALSE(op.done());
  submit(op);
  EXPECT_TRUE(op.done());
  EXPECT_TRUE(op.status().ok());
  EXPECT_TRUE(executor.idle());
}

TEST_F(ExecutorTest, UntilIsPolled) {
  int word = 0;
  Program op([&]() -> Task<> {
    co_await until([&word] { return word == 2; });
    log.push_back(word);
  });
  submit(op);
  settle();
  EXPECT_FALSE(op.done());
  word = 2;
  settle();
  EXPECT_TRUE(op.done());
  EXPECT_EQ(log, std::vector<int>{2});
}

TEST_F(ExecutorTest, ChildrenReturnValuesAndFailures) {
  struct Children {
    static Task<int> deep(int depth, Event& event) {
      if (depth == 0) {
        co_await event.wait();
        co_return 1;
      }
      const int below = co_await deep(depth - 1, event);
      co_return below + 1;
    }
    static Task<> fails() {
      throw Failure(Status(Code::kMismatch, "child"));
      co_return;
    }
  };
  Event event;
  Program op([&]() -> Task<> {
    const int depth = co_await Children::deep(10, event);
    log.push_back(depth);
    co_await Children::fails();
    log.push_back(-1);
  });
  submit(op);
  settle();
  event.set();
  settle();
  EXPECT_EQ(log, std::vector<int>{11});
  EXPECT_EQ(op.status().code(), Code::kMismatch);
  EXPECT_EQ(op.status().what(), "child");
}

TEST_F(ExecutorTest, OrderedOperationsRunOneAtATimeInIssueOrder) {
  TestScope scope(executor);
  std::vector<std::unique_ptr<Event>> gates;
  std::vector<std::unique_ptr<Program>> ops;
  for (int i = 0; i < 5; ++i) {
    Event& gate = *gates.emplace_back(std::make_unique<Event>());
    auto body = [this, i, &gate]() -> Task<> {
      log.push_back(i);
      co_await gate.wait();
      log.push_back(i + 100);
    };
    ops.push_back(std::make_unique<Program>(body, &scope, Order::kOrdered));
    submit(*ops.back());
  }
  for (int i = 4; i >= 0; --i) gates[i]->set();  // the gates open backwards
  settle();
  EXPECT_EQ(log, (std::vector<int>{0, 100, 1, 101, 2, 102, 3, 103, 4, 104}));
}

TEST_F(ExecutorTest, FreeOperationsOfAScopeDoNotQueue) {
  TestScope scope(executor);
  Event gate;
  Program ordered([&]() -> Task<> { co_await gate.wait(); }, &scope, Order::kOrdered);
  Program free([&]() -> Task<> { co_return; }, &scope, Order::kFree);
  submit(ordered);
  submit(free);
  EXPECT_TRUE(free.done());
  EXPECT_FALSE(ordered.done());
  gate.set();
  settle();
}

TEST_F(ExecutorTest, ASubmitDoesNoBulkWorkAndAPollOnePiece) {
  Program op([&]() -> Task<> {
    for (int i = 0; i < 3; ++i) co_await bulk([this, i] { log.push_back(i); });
  });
  submit(op);
  EXPECT_TRUE(log.empty());
  executor.poll_once();
  EXPECT_EQ(log, (std::vector<int>{0}));
  settle();
  EXPECT_EQ(log, (std::vector<int>{0, 1, 2}));
  EXPECT_TRUE(op.done());
}

TEST_F(ExecutorTest, SmallWorkIsDoneOnTheSpotAndLargeInBulk) {
  Program op([&]() -> Task<> {
    co_await bulk_if(false, [this] { log.push_back(0); });
    co_await bulk_if(true, [this] { log.push_back(1); });
  });
  submit(op);
  EXPECT_EQ(log, (std::vector<int>{0}));
  settle();
  EXPECT_EQ(log, (std::vector<int>{0, 1}));
  EXPECT_TRUE(op.done());
}

TEST_F(ExecutorTest, OppositeIssueOrder) {
  // Two groups, two ranks; rank 0 issues A then B, rank 1 B then A; each waits for its partner.
  TestScope a0(executor), a1(executor), b0(executor), b1(executor);
  int arrived_a = 0, arrived_b = 0;
  auto meet = [](int& arrived) -> Task<> {
    ++arrived;
    co_await until([&arrived] { return arrived == 2; });
  };
  Program on_a0([&] { return meet(arrived_a); }, &a0, Order::kOrdered),
      on_b0([&] { return meet(arrived_b); }, &b0, Order::kOrdered);
  Program on_a1([&] { return meet(arrived_a); }, &a1, Order::kOrdered),
      on_b1([&] { return meet(arrived_b); }, &b1, Order::kOrdered);
  for (Operation* op : {&on_a0, &on_b0, &on_b1, &on_a1}) submit(*op);
  settle();
  for (Operation* op : {&on_a0, &on_b0, &on_b1, &on_a1}) EXPECT_TRUE(op->done());
}

TEST_F(ExecutorTest, ThousandsInFlightAndNoAllocationInSteadyState) {
  constexpr int kCount = 5000;
  auto round = [&] {
    int word = 0;
    std::vector<std::unique_ptr<Program>> ops;
    for (int i = 0; i < kCount; ++i) {
      auto body = [&word]() -> Task<> { co_await until([&word] { return word == 1; }); };
      submit(*ops.emplace_back(std::make_unique<Program>(body)));
    }
    EXPECT_FALSE(executor.idle());
    word = 1;
    settle();
    for (auto& op : ops) EXPECT_TRUE(op->done());
  };
  round();
  const uint64_t before = executor.heap_allocations();
  EXPECT_GE(before, uint64_t(kCount));
  round();
  EXPECT_EQ(executor.heap_allocations(), before);
}

TEST_F(ExecutorTest, OneMayBeSubmittedFromInsideAnother) {
  Program inner([&]() -> Task<> {
    log.push_back(1);
    co_return;
  });
  Program outer([&]() -> Task<> {
    executor.submit(inner);
    const Operation* op = &inner;
    co_await until([op] { return op->done(); });
    log.push_back(2);
  });
  submit(outer);
  settle();
  EXPECT_EQ(log, (std::vector<int>{1, 2}));
}

TEST_F(ExecutorTest, PollersArePolledUntilRemoved) {
  struct Counter final : Poller {
    bool poll() override { return ++polls < 3; }
    int polls = 0;
  } counter;
  executor.with_token([&] { executor.add(counter); });
  settle();
  EXPECT_EQ(counter.polls, 3);
  executor.with_token([&] { executor.remove(counter); });
  settle();
  EXPECT_EQ(counter.polls, 3);
}

// ---- chores ----

struct CountingChore final : Chore {
  explicit CountingChore(std::vector<Nanos> answers) : answers(std::move(answers)) {}
  Nanos run(Nanos) override { return answers[size_t(turns++)]; }
  const std::vector<Nanos> answers;
  int turns = 0;
};

TEST_F(ExecutorTest, AChoreHasItsTurns) {
  const Nanos start = clock.now();
  CountingChore slices({start, start, kNever}), again({start + seconds(3), kNever});
  executor.with_token([&] {
    executor.later(slices, start + seconds(1));
    executor.later(again, start + seconds(2));
  });
  check_deadlines();
  EXPECT_EQ(slices.turns, 0) << "not yet";
  clock.advance(seconds(2));
  for (int i = 0; i < 4; ++i) check_deadlines();  // one a time
  EXPECT_EQ(slices.turns, 3);
  EXPECT_EQ(again.turns, 1);
  EXPECT_EQ(executor.next_chore(), start + seconds(3));
  clock.advance(seconds(1));
  check_deadlines();
  EXPECT_EQ(again.turns, 2);
  EXPECT_EQ(executor.next_chore(), kNever);
}

}  // namespace
}  // namespace dlslime::test
