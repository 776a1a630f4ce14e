// The simulator's programs over real shared memory: ranks are threads, each with what a process has, or processes. What the
// simulator can't see, the order in which memory becomes visible, is at stake here.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collective/real_rank.h"
#include "support/seeds.h"

namespace dlslime {
namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kPrograms = 300;  // for_each_seed runs a tenth
#else
constexpr int kPrograms = 100;
#endif

void expect_right(const RealConfig& config) {
  const auto wrong = run_in_threads(config);
  for (int rank = 0; rank < config.ranks; ++rank) EXPECT_EQ(wrong[size_t(rank)], "") << "rank " << rank;
}

TEST(Threads, SharedPages) {
  for_each_seed(kPrograms, [](uint64_t seed) { expect_right(RealConfig::for_seed(seed, Sharing::kPages)); });
}

TEST(Threads, SharedPagesInOnePlace) {
  for_each_seed(kPrograms,
                [](uint64_t seed) { expect_right(RealConfig::for_seed(seed, Sharing::kOnePlace)); });
}

TEST(Threads, Messages) {
  for_each_seed(kPrograms,
                [](uint64_t seed) { expect_right(RealConfig::for_seed(seed, Sharing::kMessages)); });
}

void run_in_processes(const RealConfig& config) {
  Blackboard board;
  std::vector<pid_t> children;
  for (int rank = 0; rank < config.ranks; ++rank) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) _exit(RealRank(config, rank, board).run().empty() ? 0 : 1);
    children.push_back(child);
  }
  for (int rank = 0; rank < config.ranks; ++rank) {
    int status = 0;
    ASSERT_EQ(waitpid(children[size_t(rank)], &status, 0), children[size_t(rank)]);
    EXPECT_EQ(status, 0) << "rank " << rank << ": " << board.reason(rank);
  }
}

TEST(Processes, SharedPages) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer sees no memory that processes share";
#endif
  for_each_seed(kPrograms / 2,
                [](uint64_t seed) { run_in_processes(RealConfig::for_seed(seed, Sharing::kPages)); });
}

}  // namespace
}  // namespace dlslime
