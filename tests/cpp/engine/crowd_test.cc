// Where a rank goes that shares its CPU with others, and that its affinity survives it.
#include "engine/shm/crowd.h"

#include <gtest/gtest.h>

#include <vector>

namespace dlslime::shm {
namespace {

using std::chrono::seconds;

std::optional<int> from_0(const std::vector<int>& others, const std::vector<int>& allowed) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : allowed) CPU_SET(cpu, &set);
  return emptier_cpu(0, others, set);
}

std::vector<int> allowed_here() {
  const cpu_set_t set = allowed_cpus();
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

TEST(Crowd, GoesWhereTwoFewerAre) {
  EXPECT_EQ(from_0({0, 0, 1}, {0, 1}), 1) << "three here, one there";
  EXPECT_EQ(from_0({0, 0, 0}, {0, 1}), 1);
  EXPECT_EQ(from_0({0}, {0, 1}), 1) << "two here, nobody there";
  EXPECT_EQ(from_0({0, 0, 1, 1, 2}, {0, 1, 2}), 2);
}

TEST(Crowd, StaysWhereItWouldBeNoBetter) {
  EXPECT_EQ(from_0({0, 1, 1}, {0, 1}), std::nullopt) << "two and two";
  EXPECT_EQ(from_0({0, 0, 1, 1}, {0, 1}), std::nullopt) << "three and two: there it would be three as well";
  EXPECT_EQ(from_0({}, {0, 1}), std::nullopt);
  EXPECT_EQ(from_0({1, 1, 1}, {0, 1}), std::nullopt);
}

TEST(Crowd, GoesOnlyWhereItMay) {
  EXPECT_EQ(from_0({0, 0, 0}, {0}), std::nullopt);
  EXPECT_EQ(from_0({0, 0, 0}, {}), std::nullopt) << "nobody says where it may go";
  EXPECT_EQ(from_0({0, 0, 0, 2}, {0, 2}), 2) << "CPU 1 is empty, and not for us";
}

TEST(Crowd, RanksThatSleepCountNowhere) {
  EXPECT_EQ(from_0({-1, -1, 1}, {0, 1}), std::nullopt);
  EXPECT_EQ(from_0({0, 0, -1}, {0, 1}), 1);
}

class CrowdOfThisThread : public testing::Test {
 protected:
  void SetUp() override {
    if (cpus_.size() < 2) GTEST_SKIP() << "this process may use one CPU only";
  }
  void TearDown() override { EXPECT_EQ(allowed_here(), cpus_) << "its affinity has changed"; }

  const std::vector<int> cpus_ = allowed_here();
};

// It may be moved on at any time: which CPU it is on is asked again and again.
TEST_F(CrowdOfThisThread, IsThereAfterAMove) {
  for (const int cpu : {cpus_.front(), cpus_.back()}) {
    int arrived = 0;
    for (int i = 0; i < 100; ++i) {
      move_to(cpu);
      arrived += sched_getcpu() == cpu;
    }
    EXPECT_GT(arrived, 50) << "CPU " << cpu;
  }
}

TEST_F(CrowdOfThisThread, LooksNowAndThen) {
  Crowd crowd;
  const int here = cpus_.front();
  const std::vector<int> others(3, here);
  EXPECT_TRUE(crowd.due(seconds(1)));
  crowd.look(seconds(1), here, others);
  EXPECT_FALSE(crowd.due(seconds(1)));
  EXPECT_TRUE(crowd.due(seconds(2)));
}

}  // namespace
}  // namespace dlslime::shm
