// Budget: what one synchronous operation may cost its caller; docs/performance.md, "Budgets", states the same figures.
//
// Threads, Ownership: values.   Units: calls; bytes for `copied`.
#pragma once
#include <gtest/gtest.h>

#include <cstdint>

#include "budgets/pair.h"

namespace dlslime::budgets {

struct Budget {
  uint64_t copied = 0;
  uint64_t token = 1;  // how often it may be taken: more than once only where bulk work gives it away
  uint64_t system_calls = 0;
  uint64_t allocations = 0;
  uint64_t mutexes = 0;
};

inline void expect_within(const Cost& cost, const Budget& budget) {
  EXPECT_LE(cost.system_calls, budget.system_calls) << "the last was number " << cost.last_system_call;
  EXPECT_LE(cost.allocations, budget.allocations);
  EXPECT_LE(cost.frames, budget.allocations) << "coroutine frames";
  EXPECT_LE(cost.mutexes, budget.mutexes);
  EXPECT_LE(cost.copied, budget.copied) << "bytes";
  EXPECT_LE(cost.token, budget.token);
}

// The first ones make pools, tables and pages.
constexpr int kWarmUp = 20, kCounted = 300;

}  // namespace dlslime::budgets
