// The counters count, and nothing but what they should: without this every budget could be kept by a counter that is broken.
#include "budgets/counters.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <mutex>

namespace dlslime::budgets {
namespace {

TEST(Counters, SystemCalls) {
  if (!system_calls_countable())
    GTEST_SKIP() << "this kernel does not let a process see its own system calls";
  Counts counts;
  {
    const Counting counting(counts);
    getppid();
    getppid();
    const NotCounting others;
    getppid();
  }
  getppid();
  EXPECT_EQ(counts.system_calls, 2u);
}

TEST(Counters, TheClockIsNoSystemCall) {
  Counts counts;
  {
    const Counting counting(counts);
    for (int i = 0; i < 100; ++i) (void)std::chrono::steady_clock::now();
  }
  EXPECT_EQ(counts.system_calls, 0u)
      << "this machine's clock source is slow: every look at the clock enters the kernel";
}

TEST(Counters, MemoryAndMutexes) {
  volatile size_t size = 77;
  std::array<char, 100> from{}, to{};
  std::mutex mutex;
  Counts counts;
  {
    const Counting counting(counts);
    const auto memory = std::make_unique<char[]>(size);
    std::memcpy(to.data(), from.data(), size);
    std::memmove(to.data() + 1, to.data(), size);
    const std::lock_guard lock(mutex);
  }
  EXPECT_EQ(counts.allocations, 1u);
  EXPECT_EQ(counts.copied, 154u);
  EXPECT_EQ(counts.mutexes, 1u);
}

}  // namespace
}  // namespace dlslime::budgets
