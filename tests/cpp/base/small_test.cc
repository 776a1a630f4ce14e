// The small parts: Status, clocks, descriptors, random bytes, the intrusive list, the frame pool, Event.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <set>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/fifo.h"
#include "base/frame_pool.h"
#include "base/list.h"
#include "base/programs.h"
#include "base/random.h"
#include "base/status.h"

namespace dlslime::test {
namespace {

TEST(Status, OkHasNoText) {
  const Status ok;
  EXPECT_TRUE(ok.ok());
  EXPECT_EQ(ok.to_string(), "ok");
  EXPECT_EQ(ok.peer(), -1);
}

TEST(Status, SaysWhatWhereAndHow) {
  const Status status = Status(Code::kPeerDied, "its process is gone").at_peer(3).via("shm");
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(status.peer(), 3);
  EXPECT_EQ(status.engine(), "shm");
  const Status outer = status.during("all_reduce #7");
  EXPECT_EQ(outer.what(), "all_reduce #7: its process is gone");
  EXPECT_EQ(outer.peer(), 3);
  EXPECT_EQ(outer.code(), Code::kPeerDied);
  EXPECT_EQ(outer.to_string(), "peer died [engine shm]: all_reduce #7: its process is gone");
  EXPECT_STREQ(Failure(outer).what(), outer.to_string().c_str());
}

TEST(Status, EveryCodeHasItsOwnName) {
  std::set<std::string_view> names;
  for (int code = 0; code <= int(Code::kInternal); ++code) names.insert(name_of(Code(code)));
  EXPECT_EQ(names.size(), size_t(Code::kInternal) + 1);
  EXPECT_FALSE(names.contains("unknown"));
}

TEST(Clock, DeadlinesDoNotOverflow) {
  ManualClock clock;
  EXPECT_EQ(deadline_after(clock, Nanos(5)), clock.now() + Nanos(5));
  EXPECT_EQ(deadline_after(clock, kNever), kNever);
  EXPECT_EQ(deadline_after(clock, kNever - Nanos(1)), kNever);
}

TEST(UniqueFd, ClosesOnce) {
  const int raw = open("/dev/null", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(raw, 0);
  {
    UniqueFd fd(raw);
    UniqueFd moved(std::move(fd));
    EXPECT_FALSE(fd);  // NOLINT(bugprone-use-after-move): that is the question
    EXPECT_EQ(moved.get(), raw);
    UniqueFd& same = moved;
    moved = std::move(same);
    EXPECT_EQ(moved.get(), raw);
  }
  EXPECT_EQ(fcntl(raw, F_GETFD), -1);
}

TEST(Random, FillsEverySizeAndNeverRepeats) {
  std::set<std::array<uint64_t, 2>> seen;
  for (int i = 0; i < 2000; ++i) seen.insert(random_value<std::array<uint64_t, 2>>());
  EXPECT_EQ(seen.size(), 2000u);
  std::vector<std::byte> large(10'000);
  fill_random(large);
  size_t zeros = 0;
  for (std::byte byte : large) zeros += byte == std::byte(0);
  EXPECT_LT(zeros, 200u);
}

TEST(Random, AForkedChildHasItsOwn) {
  random_value<uint64_t>();  // the buffer is full now
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto value = random_value<uint64_t>();
    _exit(write(ends[1], &value, sizeof value) == sizeof value ? 0 : 1);
  }
  uint64_t theirs = 0;
  ASSERT_EQ(read(ends[0], &theirs, sizeof theirs), ssize_t(sizeof theirs));
  EXPECT_NE(theirs, random_value<uint64_t>());
  EXPECT_EQ(waitpid(child, nullptr, 0), child);
  close(ends[0]);
  close(ends[1]);
}

// ---- List ----

struct Tag {};
struct OtherTag {};
struct Item : Hook<Tag>, Hook<OtherTag> {
  explicit Item(int n) : number(n) {}
  int number;
};

std::vector<int> numbers(List<Item, Tag>& list) {
  std::vector<int> all;
  for (Item* item = list.front(); item; item = list.next(*item)) all.push_back(item->number);
  return all;
}

TEST(List, KeepsOrderAndLetsGo) {
  List<Item, Tag> list;
  Item a(1), b(2), c(3);
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.pop_front(), nullptr);
  for (Item* item : {&a, &b, &c}) list.push_back(*item);
  EXPECT_EQ(numbers(list), (std::vector<int>{1, 2, 3}));
  static_cast<Hook<Tag>&>(b).unlink();
  EXPECT_EQ(numbers(list), (std::vector<int>{1, 3}));
  list.push_back(a);  // moves to the back
  EXPECT_EQ(numbers(list), (std::vector<int>{3, 1}));
  EXPECT_EQ(list.pop_front()->number, 3);
  {
    Item d(4);
    list.push_back(d);
  }
  EXPECT_EQ(numbers(list), std::vector<int>{1});
}

TEST(List, HooksAreIndependent) {
  List<Item, Tag> list;
  List<Item, OtherTag> other;
  Item a(1);
  list.push_back(a);
  other.push_back(a);
  list.pop_front();
  EXPECT_FALSE(other.empty());
  EXPECT_EQ(other.front()->number, 1);
}

// ---- Fifo ----

TEST(Fifo, IsEmptyWhenMovedFrom) {
  Fifo<int> queue;
  for (const int number : {1, 2, 3}) queue.push_back(number);
  queue.pop_front();
  Fifo<int> taken(std::move(queue));
  EXPECT_EQ(taken.size(), 2u);
  EXPECT_EQ(taken.front(), 2);
  // NOLINTBEGIN(bugprone-use-after-move): that is the question
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.begin(), queue.end());
  queue.push_back(4);
  EXPECT_EQ(queue.front(), 4);
  // NOLINTEND(bugprone-use-after-move)
  queue = std::move(taken);
  EXPECT_EQ(std::vector<int>(queue.begin(), queue.end()), (std::vector<int>{2, 3}));
  EXPECT_TRUE(taken.empty());  // NOLINT(bugprone-use-after-move)
  queue.pop_front();
  Fifo<int>& same = queue;
  queue = std::move(same);
  EXPECT_EQ(std::vector<int>(queue.begin(), queue.end()), std::vector<int>{3});
}

// ---- FramePool ----

TEST(FramePool, ReusesBlocksOfTheSameClass) {
  FramePool pool;
  FramePool::Use use(pool);
  void* first = FramePool::allocate(100);
  EXPECT_EQ(pool.heap_allocations(), 1u);
  FramePool::release(first);
  EXPECT_EQ(FramePool::allocate(90), first);
  EXPECT_EQ(pool.heap_allocations(), 1u);
  FramePool::release(first);
  void* large = FramePool::allocate(1 << 20);  // too large to keep
  FramePool::release(large);
}

TEST(FramePool, ABlockReturnsToThePoolItCameFrom) {
  FramePool one, two;
  void* block = nullptr;
  {
    FramePool::Use use(one);
    block = FramePool::allocate(64);
  }
  {
    FramePool::Use use(two);
    FramePool::release(block);
    void* other = FramePool::allocate(64);
    EXPECT_NE(other, block);
    FramePool::release(other);
  }
  FramePool::Use use(one);
  EXPECT_EQ(FramePool::allocate(64), block);
  FramePool::release(block);
}

TEST(FramePool, WithoutAPoolTheHeapServes) {
  void* block = FramePool::allocate(64);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % 16, 0u);
  FramePool::release(block);
}

// ---- Event ----

struct EventTest : testing::Test {
  ManualClock clock;
  Executor executor{clock, nullptr, Ladder{}};
};

TEST_F(EventTest, SetBeforeWaitDoesNotSuspend) {
  Event event;
  event.set();
  Program op([&]() -> Task<> { co_await event.wait(); });
  executor.submit(op);
  EXPECT_TRUE(op.done());
}

TEST_F(EventTest, CanBeUsedAgain) {
  Event event;
  int rounds = 0;
  Program op([&]() -> Task<> {
    for (int i = 0; i < 3; ++i) {
      co_await event.wait();
      event.clear();
      ++rounds;
    }
  });
  executor.submit(op);
  for (int i = 1; i <= 3; ++i) {
    event.set();
    settle(executor);
    EXPECT_EQ(rounds, i);
  }
  EXPECT_TRUE(op.done());
}

TEST_F(EventTest, SettingAfterTheWaiterFailedIsHarmless) {
  Event event;
  Program op([&]() -> Task<> { co_await event.wait(); });
  executor.submit(op);
  executor.cancel(op, Status(Code::kAborted, "stop"));
  settle(executor);
  EXPECT_TRUE(op.done());
  event.set();
  settle(executor);
}

TEST_F(EventTest, SettingBetweenFailureAndUnwindingResumesOnce) {
  Event event;
  int resumed = 0;
  Program op([&]() -> Task<> {
    try {
      co_await event.wait();
    } catch (const Failure&) {
      ++resumed;
      throw;
    }
    ++resumed;
  });
  executor.submit(op);
  executor.cancel(op, Status(Code::kAborted, "stop"));
  event.set();  // the waiter is in the ready list already
  settle(executor);
  EXPECT_TRUE(op.done());
  EXPECT_EQ(resumed, 1);
}

}  // namespace
}  // namespace dlslime::test
