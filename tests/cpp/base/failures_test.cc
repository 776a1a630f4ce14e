// Which failure an operation ends with, and what may begin while a scope has not heard of one.
#include <gtest/gtest.h>

#include "base/programs.h"

namespace dlslime::test {
namespace {

using Order = Operation::Order;

struct Failures : testing::Test {
  ManualClock clock;
  Executor executor{clock, nullptr, Ladder{}};
};

// What is queued behind a failure must not run before its scope knows, though it could end at once.
TEST_F(Failures, AQueuedOperationDoesNotBeginBeforeTheScopeHearsOfAFailure) {
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
    settle(executor);
    EXPECT_EQ(queued.status().code(), poisoned ? Code::kMismatch : Code::kOk);
    EXPECT_EQ(heard_before, poisoned ? -1 : 1);
  }
}

// It goes on, since what it waited for is there, and runs into what may be a consequence.
TEST_F(Failures, WhatWasToldToFailFailsForThatReason) {
  int word = 0;
  Program op([&]() -> Task<> {
    co_await until([&word] { return word == 1; });
    throw Failure(Status(Code::kClosed, "nobody is there"));
  });
  executor.submit(op);
  word = 1;
  executor.cancel(op, Status(Code::kMismatch, "the cause"));
  settle(executor);
  EXPECT_EQ(op.status().what(), "the cause");
}

}  // namespace
}  // namespace dlslime::test
