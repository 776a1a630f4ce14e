#include "collective/parts.h"

#include <gtest/gtest.h>

namespace dlslime {
namespace {

TEST(Parts, ShardsCoverTheWholeAndNoneIsLargerThanTheMost) {
  for (int parts = 1; parts <= 130; parts += parts < 9 ? 1 : 11) {
    for (size_t most = 0; most <= 20000; most += most < 300 ? 1 : 997) {
      const size_t bound = most_in_shard(most, parts);
      EXPECT_EQ(bound % 64, 0u);
      EXPECT_LE(bound, most / size_t(parts) + size_t(parts) + 126);
      for (size_t whole = most > 700 ? most - 700 : 0; whole <= most; whole += 1 + whole % 5) {
        const ConstBytes bytes(static_cast<const std::byte*>(nullptr), whole);
        size_t sum = 0;
        for (int i = 0; i < parts; ++i) {
          const size_t one = shard(bytes, parts, i).size();
          ASSERT_LE(one, bound) << "shard " << i << " of " << parts << " of " << whole;
          sum += one;
        }
        ASSERT_EQ(sum, whole);
      }
    }
  }
}

}  // namespace
}  // namespace dlslime
