// Which ranks make a host, from what all have said: the same on every rank, and none at all where they do not fit together.
#include "collective/hosts.h"

#include <gtest/gtest.h>

#include <set>

namespace dlslime {
namespace {

using Sets = std::vector<std::vector<int>>;

Together with(std::vector<int> ranks) { return {"shm", std::move(ranks)}; }

// Pairs in `apart` use another engine, whatever the ranks expected.
struct World {
  std::vector<Together> says;
  std::set<std::pair<int, int>> apart = {};

  Hosts hosts(int rank, std::string* why_not) const {
    return find_hosts(
        rank, says, [this](int low, int high) { return apart.contains({low, high}) ? "tcp" : "shm"; },
        why_not);
  }
};

TEST(Hosts, AreFoundAlikeByAll) {
  const World world{{with({0, 2}), with({1, 3, 4}), with({0, 2}), with({1, 3, 4}), with({1, 3, 4})},
                    {{0, 1}, {0, 3}, {0, 4}, {1, 2}, {2, 3}, {2, 4}}};
  for (int rank = 0; rank < 5; ++rank) {
    std::string why_not;
    const Hosts hosts = world.hosts(rank, &why_not);
    EXPECT_EQ(why_not, "");
    EXPECT_EQ(hosts.ranks, (Sets{{0, 2}, {1, 3, 4}}));
    EXPECT_EQ(hosts.here()[size_t(hosts.place)], rank);
    EXPECT_TRUE(hosts.nested());
    EXPECT_EQ(hosts.describe(), "2 hosts of 2, 3 ranks");
  }
}

TEST(Hosts, ARankThatSaysNothingIsAlone) {
  std::string why_not;
  const World world{{with({0, 1}), with({0, 1}), {}}, {{0, 2}, {1, 2}}};
  EXPECT_EQ(world.hosts(2, &why_not).ranks, (Sets{{0, 1}, {2}}));
  EXPECT_EQ(why_not, "");
  EXPECT_FALSE((World{{{}, {}}, {}}.hosts(0, &why_not).nested()));
}

// Rank 2 shares memory with rank 1, and not with rank 0.
TEST(Hosts, WhereSharingIsNotMutualEveryoneIsAlone) {
  const World world{{with({0, 1}), with({0, 1, 2}), with({1, 2})}, {{0, 2}}};
  for (int rank = 0; rank < 3; ++rank) {
    std::string why_not;
    const Hosts hosts = world.hosts(rank, &why_not);
    EXPECT_EQ(hosts.ranks, (Sets{{0}, {1}, {2}}));
    EXPECT_EQ(hosts.mine, rank);
    EXPECT_FALSE(hosts.nested());
    EXPECT_EQ(why_not, "ranks 0 and 2 share memory with rank 1, but not with each other");
  }
}

// It has made pages for three, and one of them came by another engine.
TEST(Hosts, PagesForMoreThanThereAreAreNoUse) {
  std::string why_not;
  const World world{{with({0, 1, 2}), with({0, 1, 2}), with({0, 1, 2})}, {{0, 2}, {1, 2}}};
  EXPECT_FALSE(world.hosts(0, &why_not).has_mates(0));
  EXPECT_EQ(why_not, "rank 0 expected to share memory with rank 2, and does not");
}

TEST(Hosts, EveryHostServesEveryColumn) {
  const Hosts hosts{{{0, 3, 4}, {1}, {2, 5}}};
  EXPECT_EQ(hosts.columns(), 3);
  EXPECT_EQ(hosts.at(0, 2), 4);
  EXPECT_EQ(hosts.at(1, 2), 1);
  EXPECT_EQ(hosts.at(2, 2), 2);
  EXPECT_TRUE(hosts.has_mates(5));
  EXPECT_FALSE(hosts.has_mates(1));
}

TEST(Together, TravelsInOffers) {
  Blob offers;
  with({3, 17}).write(&offers);
  EXPECT_EQ(Together::read(offers).engine, "shm");
  EXPECT_EQ(Together::read(offers).ranks, (std::vector<int>{3, 17}));
  EXPECT_EQ(Together::read({}).engine, "");
  for (const char* garbage : {"", ",", "x", "1,x,2", "99999999999999999999", "-1,,3"})
    EXPECT_LE(Together::read({{"together", "shm"}, {"together.with", garbage}}).ranks.size(), 2u);
}

}  // namespace
}  // namespace dlslime
