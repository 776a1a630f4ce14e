// Every alignment and length around a line, both below and above the size from which copies go past the cache.
#include "base/streaming_copy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace dlslime::test {
namespace {

constexpr size_t kRoom = 64;  // around what is copied, which must stay as it was
constexpr std::byte kUntouched{0xEE};

bool copies(size_t to_offset, size_t from_offset, size_t bytes, size_t whole) {
  std::vector<std::byte> from(from_offset + bytes), to(kRoom + to_offset + bytes + kRoom, kUntouched);
  for (size_t i = 0; i < from.size(); ++i) from[i] = std::byte(i * 7 + i / 251);
  const auto at = to.begin() + ptrdiff_t(kRoom + to_offset);
  streaming_copy(&*at, from.data() + from_offset, bytes, whole);
  const auto untouched = [](std::byte b) { return b == kUntouched; };
  return std::all_of(to.begin(), at, untouched) && std::all_of(at + ptrdiff_t(bytes), to.end(), untouched) &&
         std::equal(at, at + ptrdiff_t(bytes), from.begin() + ptrdiff_t(from_offset));
}

TEST(StreamingCopy, CopiesAnyPieceFromAndToAnywhere) {
  for (const size_t whole : {size_t(0), kStreamingCopy})
    for (const size_t bytes : {1u, 63u, 64u, 65u, 127u, 128u, 1000u, 4096u, 100'003u})
      for (size_t offset = 0; offset < 64; offset += 13)
        EXPECT_TRUE(copies(offset, 63 - offset, bytes, whole))
            << bytes << " of " << whole << " at " << offset;
}

TEST(StreamingCopy, NothingIsNothing) { streaming_copy(nullptr, nullptr, 0, kStreamingCopy); }

}  // namespace
}  // namespace dlslime::test
