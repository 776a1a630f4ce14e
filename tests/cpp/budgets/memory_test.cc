// What groups' shared memory takes: little until it is used, at most what their slots hold, and given back when they are idle.
#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <deque>
#include <thread>

#include "budgets/budget.h"
#include "collective/collectives.h"

namespace dlslime::budgets {
namespace {

constexpr size_t kMiB = 1 << 20;

// Bytes that the memory of all groups of this process takes: only who made it has it open.
size_t memory_of_groups() {
  size_t bytes = 0;
  DIR* folder = opendir("/proc/self/fd");
  while (const dirent* entry = readdir(folder)) {
    char target[256];
    const ssize_t length = readlinkat(dirfd(folder), entry->d_name, target, sizeof target);
    struct stat info {};
    if (length <= 0 || !std::string_view(target, size_t(length)).starts_with("/memfd:dlslime-group"))
      continue;
    if (fstat(std::atoi(entry->d_name), &info) == 0) bytes += size_t(info.st_blocks) * 512;
  }
  closedir(folder);
  return bytes;
}

// Ranks with a progress thread each, which is who gives memory back.
class Ranks {
 public:
  explicit Ranks(int number) : ranks_(size_t(number)) {
    for (Rank& rank : ranks_) pointers_.push_back(&rank);
  }
  void join() { Rank::join(pointers_); }
  void start() {
    for (Rank& rank : ranks_) rank.executor().start_progress_thread();
  }
  Rank& operator[](size_t number) { return ranks_[number]; }
  void all_reduce(size_t bytes, size_t group = 0) {
    std::deque<std::vector<std::byte>> data;
    std::deque<GroupOperation> operations;
    for (Rank& rank : ranks_) {
      std::vector<std::byte>& mine = data.emplace_back(bytes);
      rank.executor().submit(operations.emplace_back(
          rank.group(group), Operation::Order::kOrdered, std::chrono::minutes(1),
          [&mine](Group& it) { return dlslime::all_reduce(it, {}, mine); }, "all_reduce"));
    }
    for (size_t i = 0; i < ranks_.size(); ++i) {
      ranks_[i].executor().wait(operations[i], kNever);
      ASSERT_TRUE(operations[i].status().ok()) << operations[i].status().to_string();
    }
  }

 private:
  std::deque<Rank> ranks_;
  std::vector<Rank*> pointers_;
};

// False: they did not within half a minute.
bool eventually_at_most(size_t bytes) {
  for (int tries = 0; tries < 3000 && memory_of_groups() > bytes; ++tries)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return memory_of_groups() <= bytes;
}

TEST(GroupMemory, OfFourRanks) {
  Ranks ranks(4);
  ranks.join();
  ranks.start();
  EXPECT_LE(memory_of_groups(), kMiB / 8) << "of a group that has done nothing";
  for (int i = 0; i < 100; ++i) ranks.all_reduce(64);
  EXPECT_LE(memory_of_groups(), kMiB / 8) << "what is small travels in the lines";
  for (int i = 0; i < 10; ++i) ranks.all_reduce(16 << 10);
  EXPECT_LE(memory_of_groups(), 4 * kMiB);
  for (int round = 0; round < 2; ++round) {
    ranks.all_reduce(8 * kMiB);
    EXPECT_LE(memory_of_groups(), 5 * kMiB);
    EXPECT_TRUE(eventually_at_most(kMiB / 8)) << memory_of_groups() << " bytes are still taken";
  }
  ranks.all_reduce(8 * kMiB);  // and it works as before
}

// A root does not wait for its readers: it is done, and idle, long before a rank that comes late reads its slots.
TEST(GroupMemory, ALateReaderFindsWhatItNeeds) {
  constexpr size_t kBytes = 300 << 10;  // three of the root's slots
  Ranks ranks(2);
  ranks.join();
  ranks.start();
  std::vector<std::byte> sent(kBytes, std::byte(7)), received(kBytes);
  const auto operation = [](Rank& rank, std::vector<std::byte>& data) {
    return GroupOperation(
        rank.group(), Operation::Order::kOrdered, std::chrono::minutes(1),
        [&data](Group& group) { return broadcast(group, DType::U8, data, 0); }, "broadcast");
  };
  GroupOperation root = operation(ranks[0], sent), reader = operation(ranks[1], received);
  ranks[0].executor().run(root, kNever);
  std::this_thread::sleep_for(std::chrono::milliseconds(2500));  // it has looked twice by then
  EXPECT_GE(memory_of_groups(), kBytes);
  ranks[1].executor().run(reader, kNever);
  EXPECT_EQ(received, sent);
  EXPECT_TRUE(eventually_at_most(kMiB / 8));
}

// Thousands of groups, each of which has done something once.
TEST(GroupMemory, OfManyGroups) {
  constexpr size_t kGroups = 2000;
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_max < 3 * kGroups)
    GTEST_SKIP() << "at most " << files.rlim_max << " open files are allowed here";
  Ranks ranks(2);
  for (size_t i = 0; i < kGroups; ++i) ranks.join();
  ranks.start();
  const size_t before = memory_of_groups();
  EXPECT_LE(before, kGroups * 2 * 8192);
  for (size_t i = 0; i < kGroups; ++i) ranks.all_reduce(4096, i);
  EXPECT_LE(memory_of_groups(), kGroups * 2 * 16384);
  EXPECT_TRUE(eventually_at_most(kGroups * 2 * 8192)) << memory_of_groups() << " bytes are still taken";
}

}  // namespace
}  // namespace dlslime::budgets
