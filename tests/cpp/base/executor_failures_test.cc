// What fails in the executor, and what with it: scopes, exceptions, deadlines.
#include <memory>
#include <vector>

#include "base/by_hand.h"

namespace dlslime::test {
namespace {

using ExecutorFailures = ByHand;

TEST_F(ExecutorFailures, AnyOtherExceptionIsAnInternalError) {
  Program op([&]() -> Task<> {
    throw std::runtime_error("oops");
    co_return;
  });
  submit(op);
  EXPECT_EQ(op.status().code(), Code::kInternal);
  EXPECT_EQ(op.status().what(), "oops");
}

TEST_F(ExecutorFailures, AFailedScopeFailsWhatWaitsWhatIsQueuedAndWhatComes) {
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

TEST_F(ExecutorFailures, TheFirstFailureIsReportedToTheScopeOnce) {
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

TEST_F(ExecutorFailures, AFreeOperationsFailureIsItsOwn) {
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

TEST_F(ExecutorFailures, ThousandsOfQueuedFailuresDoNotRecurse) {
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

TEST_F(ExecutorFailures, RetiredScopesHearNothingMore) {
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

TEST_F(ExecutorFailures, DestructorsRunWhenAFailureUnwinds) {
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

TEST_F(ExecutorFailures, AFailureIsThrownOnceSoThatCleaningUpMayWait) {
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

TEST_F(ExecutorFailures, WhatIsReadyIsNotFailed) {
  int word = 0;
  Program op([&]() -> Task<> { co_await until([&word] { return word == 1; }); });
  submit(op);
  word = 1;
  executor.cancel(op, Status(Code::kAborted, "too late"));
  settle();
  EXPECT_TRUE(op.status().ok());
}

// The failure of a scope is final: who just got what it waited for must not wait for the next thing for ever.
TEST_F(ExecutorFailures, WhatIsReadyIsFailedAtItsNextWait) {
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

TEST_F(ExecutorFailures, DeadlinesFailExactlyThoseThatPassed) {
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

TEST_F(ExecutorFailures, AQueuedOperationTimesOutToo) {
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

TEST_F(ExecutorFailures, ATimeoutSaysWhatWasMissing) {
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
  Program told([]() -> Task<> { co_await Named(); });
  submit(told);
  executor.cancel(told, Status(Code::kTimeout, "rank 1 reported: rank 2 has not arrived"));
  settle();
  EXPECT_EQ(told.status().what(), "rank 1 reported: rank 2 has not arrived") << "and not twice";
}

TEST_F(ExecutorFailures, AFailureDuringBulkWorkArrivesAfterIt) {
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

// What is queued behind a failure must not run before its scope knows, though it could end at once.
TEST_F(ExecutorFailures, AQueuedOperationDoesNotBeginBeforeTheScopeHearsOfAFailure) {
  for (bool poisoned : {true, false}) {
    TestScope scope(executor, poisoned);
    Event gate;
    int heard_before = -1;
    Program fails(
        [&]() -> Task<> {
          co_await gate.wait();
          throw Failure(Status(Code::kMismatch, "first"));
        },
        &scope, Order::kOrdered);
    Program queued(
        [&]() -> Task<> {
          heard_before = scope.failures;
          co_return;
        },
        &scope, Order::kOrdered);
    executor.submit(fails);
    executor.submit(queued);
    gate.set();
    settle();
    EXPECT_EQ(queued.status().code(), poisoned ? Code::kMismatch : Code::kOk);
    EXPECT_EQ(heard_before, poisoned ? -1 : 1);
  }
}

// It goes on, since what it waited for is there, and runs into what may be a consequence.
TEST_F(ExecutorFailures, WhatWasToldToFailFailsForThatReason) {
  int word = 0;
  Program op([&]() -> Task<> {
    co_await until([&word] { return word == 1; });
    throw Failure(Status(Code::kClosed, "nobody is there"));
  });
  executor.submit(op);
  word = 1;
  executor.cancel(op, Status(Code::kMismatch, "the cause"));
  settle();
  EXPECT_EQ(op.status().what(), "the cause");
}

}  // namespace
}  // namespace dlslime::test
