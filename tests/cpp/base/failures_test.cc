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

}  // namespace
}  // namespace dlslime::test
