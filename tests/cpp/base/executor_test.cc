// The executor in one thread, by hand: order, scopes, failures, deadlines, bulk work.
#include "base/executor.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "base/programs.h"

namespace dlslime::test {
namespace {

using std::chrono::seconds;
using Order = Operation::Order;

struct ExecutorTest : testing::Test {
  ManualClock clock;
  Executor executor{clock, nullptr, Ladder{}};
  std::vector<int> log;

  void submit(Operation& op) { executor.submit(op); }
  void settle() { test::settle(executor); }
  void check_deadlines() {
    executor.with_token([&] { executor.check_deadlines(); });
    settle();
  }
};

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

TEST_F(ExecutorTest, AnyOtherExceptionIsAnInternalError) {
  Program op([&]() -> Task<> {
    throw std::runtime_error("oops");
    co_return;
  });
  submit(op);
  EXPECT_EQ(op.status().code(), Code::kInternal);
  EXPECT_EQ(op.status().what(), "oops");
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

TEST_F(ExecutorTest, AFailedScopeFailsWhatWaitsWhatIsQueuedAndWhatComes) {
  TestScope scope(executor);
  Event never;
  auto hang = [&]() -> Task<> { co_await never.wait(); };
  Program waits(hang, &scope, Order::kOrdered), queued(hang, &scope, Order::kOrdered), free(hang, &scope);
  Program elsewhere(hang);
  for (Operation* op : {&waits, &queued, &free, &elsewhere}) submit(*op);
  executor.with_token([&] { executor.fail(scope, Status(Code::kPeerDied, "rank 2 is gone").at_peer(2)); });
  settle();
  Program late([&]() -> Task<> { co_return; }, &scope);
  submit(late);
  for (Operation* op : {&waits, &queued, &free, &late}) {
    ASSERT_TRUE(op->done());
    EXPECT_EQ(op->status().code(), Code::kPeerDied);
    EXPECT_EQ(op->status().peer(), 2);
  }
  EXPECT_FALSE(elsewhere.done());
  executor.cancel(elsewhere, Status(Code::kAborted, "enough"));
  settle();
}

TEST_F(ExecutorTest, TheFirstFailureIsReportedToTheScopeOnce) {
  TestScope scope(executor);
  std::vector<std::unique_ptr<Program>> ops;
  auto body = []() -> Task<> {
    throw Failure(Status(Code::kMismatch, "first"));
    co_return;
  };
  for (int i = 0; i < 2000; ++i) {
    submit(*ops.emplace_back(std::make_unique<Program>(body, &scope, Order::kOrdered)));
  }
  settle();
  for (auto& op : ops) EXPECT_EQ(op->status().code(), Code::kMismatch);
  EXPECT_EQ(scope.failures, 1);
}

TEST_F(ExecutorTest, AFreeOperationsFailureIsItsOwn) {
  TestScope scope(executor);
  auto body = []() -> Task<> {
    throw Failure(Status(Code::kInvalid, "mine"));
    co_return;
  };
  Program op(body, &scope, Order::kFree);
  submit(op);
  settle();
  EXPECT_EQ(scope.failures, 0);
  EXPECT_TRUE(scope.failed().ok());
}

TEST_F(ExecutorTest, ThousandsOfQueuedFailuresDoNotRecurse) {
  TestScope scope(executor, false);
  Event gate;
  std::vector<std::unique_ptr<Program>> ops;
  auto hang = [&]() -> Task<> { co_await gate.wait(); };
  for (int i = 0; i < 50'000; ++i) {
    submit(*ops.emplace_back(std::make_unique<Program>(hang, &scope, Order::kOrdered)));
  }
  executor.with_token([&] { executor.fail(scope, Status(Code::kAborted, "all of you")); });
  settle();
  for (auto& op : ops) ASSERT_EQ(op->status().code(), Code::kAborted);
  EXPECT_TRUE(executor.idle());
}

TEST_F(ExecutorTest, RetiredScopesHearNothingMore) {
  auto scope = std::make_unique<TestScope>(executor);
  Event never;
  Program op([&]() -> Task<> { co_await never.wait(); }, scope.get(), Order::kOrdered);
  submit(op);
  executor.with_token([&] { executor.retire(*scope); });
  EXPECT_TRUE(op.done());
  EXPECT_EQ(op.status().code(), Code::kClosed);
  scope.reset();
  settle();  // ASan: nothing is reported to it
}

TEST_F(ExecutorTest, DestructorsRunWhenAFailureUnwinds) {
  Event never;
  auto held = std::make_shared<int>(1);
  Program op([&]() -> Task<> {
    auto copy = held;
    co_await never.wait();
  });
  submit(op);
  EXPECT_EQ(held.use_count(), 2);
  executor.cancel(op, Status(Code::kAborted, "stop"));
  settle();
  EXPECT_TRUE(op.done());
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(ExecutorTest, AFailureIsThrownOnceSoThatCleaningUpMayWait) {
  Event never, cleaned;
  Program op([&]() -> Task<> {
    Status why;
    try {
      co_await never.wait();
    } catch (const Failure& failure) {
      why = failure.status();
    }
    co_await cleaned.wait();
    log.push_back(1);
    throw Failure(why);
  });
  submit(op);
  executor.cancel(op, Status(Code::kAborted, "stop"));
  settle();
  EXPECT_FALSE(op.done());
  cleaned.set();
  settle();
  EXPECT_EQ(log, std::vector<int>{1});
  EXPECT_EQ(op.status().code(), Code::kAborted);
}

TEST_F(ExecutorTest, WhatIsReadyIsNotFailed) {
  int word = 0;
  Program op([&]() -> Task<> { co_await until([&word] { return word == 1; }); });
  submit(op);
  word = 1;
  executor.cancel(op, Status(Code::kAborted, "too late"));
  settle();
  EXPECT_TRUE(op.status().ok());
}

// The failure of a scope is final: who just got what it waited for must not wait for the next thing for ever.
TEST_F(ExecutorTest, WhatIsReadyIsFailedAtItsNextWait) {
  TestScope scope(executor);
  int word = 0;
  Program op(
      [&]() -> Task<> {
        co_await until([&word] { return word == 1; });
        log.push_back(1);
        co_await until([&word] { return word == 2; });
        log.push_back(2);
      },
      &scope);
  submit(op);
  word = 1;
  executor.with_token([&] { executor.fail(scope, Status(Code::kPeerDied, "gone")); });
  word = 3;  // no longer what it was when the failure came
  settle();
  ASSERT_TRUE(op.done());
  EXPECT_EQ(op.status().code(), Code::kPeerDied);
  EXPECT_EQ(log, std::vector<int>{1});
}

TEST_F(ExecutorTest, DeadlinesFailExactlyThoseThatPassed) {
  Event never;
  auto hang = [&]() -> Task<> { co_await never.wait(); };
  Program soon(hang, nullptr, Order::kFree, clock.now() + seconds(1));
  Program later(hang, nullptr, Order::kFree, clock.now() + seconds(2));
  submit(soon);
  submit(later);
  executor.with_token([&] { EXPECT_EQ(executor.next_deadline(), soon.deadline()); });
  check_deadlines();
  EXPECT_FALSE(soon.done());
  clock.advance(seconds(1));
  check_deadlines();
  EXPECT_EQ(soon.status().code(), Code::kTimeout);
  EXPECT_FALSE(later.done());
  executor.with_token([&] { EXPECT_EQ(executor.next_deadline(), later.deadline()); });
  clock.advance(seconds(5));
  check_deadlines();
  EXPECT_EQ(later.status().code(), Code::kTimeout);
}

TEST_F(ExecutorTest, AQueuedOperationTimesOutToo) {
  TestScope scope(executor, false);
  Event gate;
  auto hang = [&]() -> Task<> { co_await gate.wait(); };
  Program first(hang, &scope, Order::kOrdered);
  Program second(hang, &scope, Order::kOrdered, clock.now() + seconds(1));
  submit(first);
  submit(second);
  clock.advance(seconds(2));
  check_deadlines();
  EXPECT_EQ(second.status().code(), Code::kTimeout);
  EXPECT_FALSE(first.done());
  gate.set();
  settle();
  EXPECT_TRUE(first.status().ok());
}

TEST_F(ExecutorTest, ATimeoutSaysWhatWasMissing) {
  struct Named final : Awaiter<Named> {
    bool ready() override { return false; }
    std::string waiting_for() const override { return "rank 2 has not arrived"; }
  };
  Program op([]() -> Task<> { co_await Named(); }, nullptr, Order::kFree, clock.now() + seconds(1));
  submit(op);
  clock.advance(seconds(1));
  check_deadlines();
  EXPECT_EQ(op.status().code(), Code::kTimeout);
  EXPECT_NE(op.status().what().find("rank 2 has not arrived"), std::string::npos) << op.status().what();
}

TEST_F(ExecutorTest, BulkRunsInPassesThatMayAndNotInOthers) {
  Program op([&]() -> Task<> {
    for (int i = 0; i < 3; ++i) co_await bulk([this, i] { log.push_back(i); });
  });
  submit(op);
  executor.poll_once();
  EXPECT_TRUE(log.empty()) << "submit() and poll_once() never do bulk work";
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
  executor.poll_once();
  EXPECT_EQ(log, (std::vector<int>{0}));
  settle();
  EXPECT_EQ(log, (std::vector<int>{0, 1}));
  EXPECT_TRUE(op.done());
}

TEST_F(ExecutorTest, AFailureDuringBulkWorkArrivesAfterIt) {
  Program op([&]() -> Task<> {
    co_await bulk([this] { executor.with_token([] {}); });
    log.push_back(1);
  });
  // With a null sleeper bulk runs under the token; the failure here comes before the work starts.
  Program other([&]() -> Task<> {
    co_await bulk([this] { log.push_back(7); });
    log.push_back(8);
  });
  submit(other);
  executor.with_token([&] { executor.fail(other, Status(Code::kAborted, "stop")); });
  settle();
  EXPECT_EQ(other.status().code(), Code::kAborted);
  EXPECT_TRUE(log.empty()) << "work that had not begun is not begun";
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
