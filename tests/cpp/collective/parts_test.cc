#include "collective/parts.h"

#include <gtest/gtest.h>

#include <vector>

#include "collective/scattered.h"

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

TEST(Parts, AScatteredVectorIsThatOfItsBuffersInARow) {
  const size_t sizes[] = {0, 3, 0, 0, 1, 40, 7, 0};
  std::vector<std::vector<std::byte>> memory;
  std::vector<Bytes> buffers;
  std::vector<std::byte> row;
  for (const size_t size : sizes) {
    auto& buffer = memory.emplace_back(size);
    for (std::byte& byte : buffer) row.push_back(byte = std::byte(row.size()));
  }
  for (auto& buffer : memory) buffers.emplace_back(buffer);
  const Scattered all(buffers);
  ASSERT_EQ(all.size(), row.size());
  EXPECT_TRUE(all.whole().empty());
  for (size_t from = 0; from <= row.size(); ++from) {
    for (size_t bytes = 0; from + bytes <= row.size(); ++bytes) {
      std::vector<std::byte> out(bytes);
      all.copy_out(from, out);
      ASSERT_TRUE(std::equal(out.begin(), out.end(), row.begin() + long(from))) << from << " + " << bytes;
    }
  }
  std::ranges::reverse(row);
  all.copy_in(0, ConstBytes(row).first(20));
  all.copy_in(20, ConstBytes(row).subspan(20));
  std::vector<std::byte> out(row.size());
  all.copy_out(0, out);
  EXPECT_EQ(out, row);
}

TEST(Parts, AScatteredVectorOfOneBufferIsThatBuffer) {
  std::vector<std::byte> memory(10);
  const Bytes buffer(memory);
  const Scattered one(std::span(&buffer, 1));
  EXPECT_EQ(one.whole().data(), buffer.data());
  size_t calls = 0;
  one.pieces(3, 4, [&](Bytes piece, size_t at) {
    EXPECT_EQ(piece.data(), buffer.data() + 3);
    EXPECT_EQ(piece.size(), 4u);
    EXPECT_EQ(at, 0u);
    ++calls;
  });
  EXPECT_EQ(calls, 1u);
}

}  // namespace
}  // namespace dlslime
