// An executor driven by hand, in one thread, on a clock that the test sets.
#pragma once
#include <gtest/gtest.h>

#include <vector>

#include "base/executor.h"
#include "base/programs.h"

namespace dlslime::test {

using std::chrono::seconds;
using Order = Operation::Order;

struct ByHand : testing::Test {
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

}  // namespace dlslime::test
