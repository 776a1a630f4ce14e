// The region table: who may touch what.
#include "memory/region.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace dlslime {
namespace {

struct RegionTest : testing::Test {
  RegionTable table;
  std::vector<std::byte> memory = std::vector<std::byte>(100);

  Status check(const RemoteRegion& region, uint64_t offset, uint64_t length, Rights right) {
    return table.check({region.id, region.key, offset, length, right}, &at);
  }
  std::byte* at = nullptr;
};

TEST_F(RegionTest, AllowsWhatWasGranted) {
  Grant grant(table, memory, Rights::kWrite);
  EXPECT_EQ(grant.region().length, 100u);
  for (const auto& [offset, length] : {std::pair<uint64_t, uint64_t>{0, 100}, {99, 1}, {100, 0}, {0, 0}}) {
    EXPECT_TRUE(check(grant.region(), offset, length, Rights::kWrite).ok());
    EXPECT_EQ(at, memory.data() + offset);
  }
}

TEST_F(RegionTest, RefusesWhatIsOutside) {
  Grant grant(table, memory, Rights::kWrite);
  const uint64_t max = UINT64_MAX;
  for (const auto& [offset, length] : {std::pair<uint64_t, uint64_t>{0, 101},
                                       {1, 100},
                                       {101, 0},
                                       {max, 1},
                                       {1, max},
                                       {max, max},
                                       {50, max - 49}}) {
    const Status refused = check(grant.region(), offset, length, Rights::kWrite);
    EXPECT_EQ(refused.code(), Code::kDenied);
    EXPECT_NE(refused.what().find("100 bytes"), std::string::npos) << refused.what();
    EXPECT_EQ(at, nullptr);
  }
}

TEST_F(RegionTest, RefusesTheWrongRight) {
  Grant write(table, memory, Rights::kWrite), read(table, memory, Rights::kRead);
  EXPECT_EQ(check(write.region(), 0, 1, Rights::kRead).code(), Code::kDenied);
  EXPECT_EQ(check(read.region(), 0, 1, Rights::kWrite).code(), Code::kDenied);
}

TEST_F(RegionTest, RefusesTheWrongKeyWithoutSayingWhichItWas) {
  Grant grant(table, memory, Rights::kRead);
  RemoteRegion forged = grant.region(), unknown = grant.region();
  forged.key[15] ^= 1;
  unknown.id += 1;
  const Status one = check(forged, 0, 1, Rights::kRead), two = check(unknown, 0, 1, Rights::kRead);
  EXPECT_EQ(one.code(), Code::kDenied);
  EXPECT_EQ(one.what().substr(one.what().rfind(':')), two.what().substr(two.what().rfind(':')));
  unknown.key = {};  // what an empty entry is compared with
  EXPECT_EQ(check(unknown, 0, 1, Rights::kRead).code(), Code::kDenied);
}

TEST_F(RegionTest, RevokedMeansRefused) {
  Grant grant(table, memory, Rights::kRead);
  const RemoteRegion region = grant.region();
  EXPECT_TRUE(table.valid(region.id));
  Grant moved = std::move(grant);
  EXPECT_TRUE(table.valid(region.id));
  moved.reset();
  moved.reset();
  EXPECT_FALSE(table.valid(region.id));
  EXPECT_EQ(check(region, 0, 1, Rights::kRead).code(), Code::kDenied);
}

TEST_F(RegionTest, IdsAndKeysAreNeverUsedTwice) {
  std::set<uint64_t> ids;
  std::set<RegionKey> keys;
  for (int i = 0; i < 3000; ++i) {
    Grant grant(table, memory, Rights::kRead);
    ids.insert(grant.region().id);
    keys.insert(grant.region().key);
  }
  EXPECT_EQ(ids.size(), 3000u);
  EXPECT_EQ(keys.size(), 3000u);
}

TEST_F(RegionTest, LiveWordsMirrorWhatIsValid) {
  std::vector<std::atomic<uint64_t>> live(RegionTable::kLiveSlots);
  table.show_live(live);
  const auto shown = [&](const RemoteRegion& region) {
    return live[RegionTable::slot_of(region.id)].load() == digest_of(region);
  };
  Grant first(table, memory, Rights::kRead);
  EXPECT_TRUE(shown(first.region()));
  for (size_t i = 0; i < 3 * RegionTable::kLiveSlots; ++i) {  // round and round, past the one that stays
    Grant grant(table, memory, Rights::kRead);
    ASSERT_TRUE(shown(grant.region()));
    ASSERT_TRUE(shown(first.region()));
  }
  const RemoteRegion region = first.region();
  first.reset();
  EXPECT_FALSE(shown(region));
}

// Whoever changes a word of the grant gets another digest: what an outside reader compares.
TEST_F(RegionTest, TheDigestCoversTheWholeGrant) {
  Grant grant(table, memory, Rights::kRead);
  std::set<uint64_t> digests = {digest_of(grant.region())};
  for (size_t byte = 0; byte < sizeof(RemoteRegion); ++byte) {
    RemoteRegion forged = grant.region();
    reinterpret_cast<unsigned char*>(&forged)[byte] ^= 1;
    digests.insert(digest_of(forged));
  }
  EXPECT_EQ(digests.size(), sizeof(RemoteRegion) + 1);
  EXPECT_FALSE(digests.contains(0)) << "0 means that nothing is shown";
}

TEST_F(RegionTest, MoreRegionsThanLiveWords) {
  std::vector<std::atomic<uint64_t>> live(RegionTable::kLiveSlots);
  table.show_live(live);
  std::vector<Grant> grants;
  for (size_t i = 0; i < RegionTable::kLiveSlots + 50; ++i) grants.emplace_back(table, memory, Rights::kRead);
  for (Grant& grant : grants) EXPECT_TRUE(check(grant.region(), 0, 100, Rights::kRead).ok());
  grants.clear();
  for (auto& word : live) EXPECT_EQ(word.load(), 0u);
}

}  // namespace
}  // namespace dlslime
