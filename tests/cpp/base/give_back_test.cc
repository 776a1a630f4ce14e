// Only whole pages that lie in the memory go, and they go.
#include "base/give_back.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

namespace dlslime {
namespace {

TEST(GiveBack, WholePagesGo) {
  const size_t page = size_t(sysconf(_SC_PAGESIZE)), all = 64 * page;
  const auto memory = std::make_unique_for_overwrite<std::byte[]>(all);
  std::fill_n(memory.get(), all, std::byte(7));
  give_back({memory.get() + 1, all - 2});
  const auto kept = size_t(std::count(memory.get(), memory.get() + all, std::byte(7)));
  EXPECT_GT(kept, 0u);
  EXPECT_LE(kept, 2 * page);
  EXPECT_EQ(memory[0], std::byte(7));
  EXPECT_EQ(memory[all - 1], std::byte(7));
  std::fill_n(memory.get(), all, std::byte(8));  // still ours
}

TEST(GiveBack, LessThanAPageStays) {
  std::byte some[16] = {std::byte(1)};
  give_back(some);
  give_back({});
  EXPECT_EQ(some[0], std::byte(1));
}

}  // namespace
}  // namespace dlslime
