// The executor among threads: waiting callers, the progress thread, cancelling, sleeping and being woken.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "base/executor.h"
#include "base/programs.h"
#include "base/reactor.h"

namespace dlslime::test {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Steady = std::chrono::steady_clock;

struct ThreadsTest : testing::Test {
  SteadyClock clock;
  Reactor reactor;
  Executor executor{clock, &reactor, Ladder{Nanos(0), microseconds(50)}};

  ThreadsTest() {
    executor.with_token([&] { executor.add(reactor); });
  }
  ~ThreadsTest() override { executor.stop_progress_thread(); }
  Nanos in(Nanos time) const { return deadline_after(clock, time); }
};

Task<> nothing() { co_return; }
Task<> wait_for(std::atomic<bool>* flag) {
  co_await until([flag] { return flag->load(); });
}

template <class F>
bool eventually(F done) {
  const auto give_up = Steady::now() + seconds(20);
  while (!done()) {
    if (Steady::now() > give_up) return false;
    std::this_thread::sleep_for(microseconds(100));
  }
  return true;
}

TEST_F(ThreadsTest, RunFromManyThreads) {
  constexpr int kThreads = 6, kRounds = 300;
  std::atomic<int> ran{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kRounds; ++i) {
        Program op([&]() -> Task<> { co_await bulk([&ran] { ++ran; }); });
        ASSERT_TRUE(executor.run(op, kNever));
        ASSERT_TRUE(op.status().ok());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(ran, kThreads * kRounds);
  EXPECT_TRUE(executor.idle());
}

struct Yields final : Poller {
  bool poll() override { return false; }
  void about_to_yield(Nanos) override { ++count; }
  std::atomic<int> count{0};
};

TEST_F(ThreadsTest, PollersHearOfYieldsWhereRanksSpread) {
  Yields yields;
  executor.with_token([&] { executor.add(yields); });
  for (const bool spread : {false, true}) {
    yields.count = 0;
    executor.with_token([&] { executor.set_ladder({Nanos(0), milliseconds(1), spread}); });
    std::atomic<bool> never{false};
    Program op([&] { return wait_for(&never); }, nullptr, Operation::Order::kFree, in(milliseconds(20)));
    executor.run(op, kNever);
    EXPECT_EQ(op.status().code(), Code::kTimeout);
    EXPECT_EQ(yields.count > 0, spread);
  }
  executor.with_token([&] { executor.remove(yields); });
}

TEST_F(ThreadsTest, WaitersHelpEachOther) {
  // Each thread waits for the other's operation to have started: whoever holds the token must run both.
  std::atomic<int> arrived{0};
  auto meet = [&arrived]() -> Task<> {
    ++arrived;
    co_await until([&arrived] { return arrived % 2 == 0; });
  };
  for (int round = 0; round < 100; ++round) {
    arrived = 0;
    Program one(meet), two(meet);
    std::thread other([&] { EXPECT_TRUE(executor.run(two, kNever)); });
    EXPECT_TRUE(executor.run(one, kNever));
    other.join();
  }
}

TEST_F(ThreadsTest, WaitGivesUpAndTheOperationGoesOn) {
  std::atomic<bool> flag{false};
  Program op([&] { return wait_for(&flag); });
  const auto start = Steady::now();
  EXPECT_FALSE(executor.run(op, in(milliseconds(30))));
  EXPECT_GE(Steady::now() - start, milliseconds(30));
  EXPECT_LT(Steady::now() - start, seconds(5));
  EXPECT_FALSE(op.done());
  flag = true;
  EXPECT_TRUE(executor.wait(op, kNever));
}

TEST_F(ThreadsTest, TheDeadlineEndsAWait) {
  std::atomic<bool> never{false};
  Program op([&] { return wait_for(&never); }, nullptr, Operation::Order::kFree, in(milliseconds(50)));
  const auto start = Steady::now();
  ASSERT_TRUE(executor.run(op, kNever));
  EXPECT_EQ(op.status().code(), Code::kTimeout);
  EXPECT_GE(Steady::now() - start, milliseconds(50));
}

TEST_F(ThreadsTest, CancelFromAnotherThread) {
  std::atomic<bool> never{false};
  Program op([&] { return wait_for(&never); });
  std::thread killer([&] {
    std::this_thread::sleep_for(milliseconds(20));
    executor.cancel(op, Status(Code::kAborted, "Ctrl-C"));
  });
  EXPECT_TRUE(executor.run(op, kNever));
  killer.join();
  EXPECT_EQ(op.status().code(), Code::kAborted);
  EXPECT_EQ(op.status().what(), "Ctrl-C");
}

TEST_F(ThreadsTest, TheProgressThreadRunsWhatNobodyWaitsFor) {
  executor.start_progress_thread();
  std::vector<std::unique_ptr<Program>> ops;
  std::atomic<int> ran{0};
  for (int i = 0; i < 200; ++i) {
    auto body = [&ran]() -> Task<> { co_await bulk([&ran] { ++ran; }); };
    executor.submit(*ops.emplace_back(std::make_unique<Program>(body)));
  }
  EXPECT_TRUE(eventually([&] { return ran == 200 && executor.idle(); }));
  for (auto& op : ops) EXPECT_TRUE(op->done());
}

TEST_F(ThreadsTest, TheProgressThreadRunsWhatIsAwaitedByNobodyAfterAll) {
  executor.start_progress_thread();
  for (int round = 0; round < 200; ++round) {
    std::atomic<bool> ran{false};
    Program op([&ran]() -> Task<> { co_await bulk([&ran] { ran = true; }); });
    executor.submit(op);
    if (round % 3 == 0) {
      ASSERT_TRUE(executor.wait(op, kNever));
    } else {
      ASSERT_TRUE(eventually([&] { return op.done(); })) << "round " << round;
    }
    EXPECT_TRUE(ran);
    // Through all its states: looking up often, about to sleep fast, fast asleep.
    std::this_thread::sleep_for(std::chrono::microseconds(round * 37 % 3000));
  }
}

// Who submits and waits in a row does its bulk work by itself: the progress thread is not woken for that, and seldom looks up.
TEST_F(ThreadsTest, WhoWaitsAtOnceIsLeftAlone) {
  struct Stopped final : Clock {  // whoever waits has done so at once, whatever the scheduler does
    Nanos now() const override { return seconds(1); }
  };
  const Stopped stopped;
  Executor executor(stopped, nullptr, Ladder{});
  executor.start_progress_thread();
  constexpr int kRounds = 2000;
  const auto me = std::this_thread::get_id();
  int taken = 0;
  for (int i = 0; i < kRounds; ++i) {
    Program op([&]() -> Task<> { co_await bulk([&] { taken += std::this_thread::get_id() != me; }); });
    executor.submit(op);
    for (const auto began = Steady::now(); Steady::now() - began < microseconds(50);) {
    }
    ASSERT_TRUE(executor.wait(op, kNever));
  }
  EXPECT_LT(taken, kRounds / 2);
}

TEST_F(ThreadsTest, AStreamOfAwaitedOperationsStarvesNobody) {
  executor.start_progress_thread();
  std::atomic<bool> never{false}, ran{false};
  Program late([&] { return wait_for(&never); }, nullptr, Operation::Order::kFree, in(milliseconds(30)));
  Program large([&ran]() -> Task<> { co_await bulk([&ran] { ran = true; }); });
  executor.submit(late);
  executor.submit(large);
  const auto began = Steady::now();
  while (!(late.done() && large.done()) && Steady::now() - began < seconds(5)) {
    Program one([]() -> Task<> { co_await bulk([] {}); });
    executor.submit(one);
    ASSERT_TRUE(executor.wait(one, kNever));
  }
  EXPECT_TRUE(ran);
  EXPECT_EQ(late.status().code(), Code::kTimeout);
}

TEST_F(ThreadsTest, TheProgressThreadKeepsDeadlines) {
  executor.start_progress_thread();
  std::atomic<bool> never{false};
  Program op([&] { return wait_for(&never); }, nullptr, Operation::Order::kFree, in(milliseconds(30)));
  executor.submit(op);
  EXPECT_TRUE(eventually([&] { return op.done(); }));
  EXPECT_EQ(op.status().code(), Code::kTimeout);
}

TEST_F(ThreadsTest, WaitersAndTheProgressThreadTakeTurns) {
  executor.start_progress_thread();
  for (int round = 0; round < 200; ++round) {
    Program background(nothing), waited(nothing);
    executor.submit(background);
    ASSERT_TRUE(executor.run(waited, kNever));
    ASSERT_TRUE(executor.wait(background, kNever));
  }
}

TEST_F(ThreadsTest, StoppingIsIdempotentAndPrompt) {
  executor.start_progress_thread();
  std::atomic<bool> never{false};
  Program op([&] { return wait_for(&never); });
  executor.submit(op);
  std::this_thread::sleep_for(milliseconds(5));
  const auto start = Steady::now();
  executor.stop_progress_thread();
  executor.stop_progress_thread();
  EXPECT_LT(Steady::now() - start, seconds(2));
  executor.cancel(op, Status(Code::kClosed, "over"));
  EXPECT_TRUE(executor.run(*std::make_unique<Program>(nothing), kNever));
  EXPECT_TRUE(executor.wait(op, kNever));
}

TEST_F(ThreadsTest, ASubmitWakesASleeper) {
  std::atomic<bool> flag{false};
  Program sleeper([&] { return wait_for(&flag); });
  std::thread waiting([&] { EXPECT_TRUE(executor.run(sleeper, kNever)); });
  std::this_thread::sleep_for(milliseconds(10));  // it sleeps now
  Program setter([&]() -> Task<> {
    flag = true;
    co_return;
  });
  EXPECT_TRUE(executor.run(setter, kNever));
  waiting.join();
}

TEST_F(ThreadsTest, ADescriptorWakesASleeper) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  UniqueFd reader(ends[0]), writer(ends[1]);
  bool came = false;
  executor.with_token([&] {
    const auto hear = [&](uint32_t) {
      char byte = 0;
      came |= read(reader.get(), &byte, 1) == 1;
    };
    ASSERT_TRUE(reactor.add(reader.get(), EPOLLIN, Reactor::Heat::kCold, hear).ok());
  });
  bool* arrived = &came;
  int quick = 0;
  for (int round = 0; round < 10; ++round) {
    came = false;
    Program op([arrived]() -> Task<> { co_await until([arrived] { return *arrived; }); });
    std::thread ringer([&] {
      std::this_thread::sleep_for(milliseconds(5));
      EXPECT_EQ(write(writer.get(), "x", 1), 1);
    });
    const auto start = Steady::now();
    ASSERT_TRUE(executor.run(op, kNever));
    quick += Steady::now() - start < milliseconds(25);
    ringer.join();
  }
  EXPECT_GE(quick, 5) << "the sleeper's own look comes only every 50 ms";
  executor.with_token([&] { reactor.remove(reader.get()); });
}

// A peer dies: nobody waits for it, and what has been called since needed no system call.
TEST_F(ThreadsTest, TheProgressThreadHearsThoughNothingIsGoingOn) {
  UniqueFd bell(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
  std::atomic<bool> heard{false};
  executor.start_progress_thread();
  std::this_thread::sleep_for(milliseconds(20));  // it is parked
  executor.with_token([&] {
    const auto hear = [&](uint32_t) {
      reactor.remove(bell.get());
      heard = true;
    };
    ASSERT_TRUE(reactor.add(bell.get(), EPOLLIN, Reactor::Heat::kCold, hear).ok());
  });
  EXPECT_TRUE(eventually([&] { return heard.load(); }));
}

// While a caller sleeps, and while the progress thread does.
TEST_F(ThreadsTest, AHandlerThatThrowsFailsWhatIsActiveAndTheTokenIsFree) {
  executor.start_progress_thread();
  UniqueFd bell(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  executor.with_token([&] {
    ASSERT_TRUE(reactor
                    .add(bell.get(), EPOLLIN, Reactor::Heat::kCold,
                         [&](uint32_t) {
                           uint64_t rung = 0;
                           EXPECT_EQ(read(bell.get(), &rung, sizeof rung), ssize_t(sizeof rung));
                           throw std::runtime_error("no memory left");
                         })
                    .ok());
  });
  for (const bool waits : {true, false}) {
    Program op([]() -> Task<> { co_await until([] { return false; }); });
    std::thread ringer([&] {
      std::this_thread::sleep_for(milliseconds(20));  // it sleeps now
      const uint64_t one = 1;
      EXPECT_EQ(write(bell.get(), &one, sizeof one), ssize_t(sizeof one));
    });
    if (waits) {
      executor.run(op, in(seconds(10)));
    } else {
      executor.submit(op);
      EXPECT_TRUE(eventually([&] { return op.done(); }));
    }
    ringer.join();
    EXPECT_NE(op.status().to_string().find("no memory left"), std::string::npos) << op.status().to_string();
    Program next(nothing);
    EXPECT_TRUE(executor.run(next, in(seconds(10))));
  }
  executor.with_token([&] { reactor.remove(bell.get()); });
}

TEST_F(ThreadsTest, BulkWorkLeavesTheTokenToOthers) {
  std::atomic<bool> entered{false}, leave{false};
  Program large([&]() -> Task<> {
    co_await bulk([&entered, &leave] {
      entered = true;
      while (!leave) std::this_thread::yield();
    });
  });
  std::thread worker([&] { EXPECT_TRUE(executor.run(large, kNever)); });
  EXPECT_TRUE(eventually([&] { return entered.load(); }));
  Program small(nothing);
  EXPECT_TRUE(executor.run(small, in(seconds(10))));
  EXPECT_FALSE(large.done());
  leave = true;
  worker.join();
  EXPECT_TRUE(large.done());
}

TEST_F(ThreadsTest, AFailureDuringBulkWorkArrivesWhenItReturns) {
  std::atomic<bool> entered{false}, leave{false}, went_on{false};
  Program op([&]() -> Task<> {
    co_await bulk([&entered, &leave] {
      entered = true;
      while (!leave) std::this_thread::yield();
    });
    went_on = true;
  });
  std::thread worker([&] { EXPECT_TRUE(executor.run(op, kNever)); });
  EXPECT_TRUE(eventually([&] { return entered.load(); }));
  executor.cancel(op, Status(Code::kAborted, "stop"));
  EXPECT_FALSE(op.done()) << "its buffers are in use";
  leave = true;
  worker.join();
  EXPECT_EQ(op.status().code(), Code::kAborted);
  EXPECT_FALSE(went_on);
}

TEST_F(ThreadsTest, StressOfEverything) {
  executor.start_progress_thread();
  std::atomic<int> finished{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 150; ++i) {
        std::atomic<bool> flag{false};
        Program waits([&] { return wait_for(&flag); }, nullptr, Operation::Order::kFree, in(seconds(60)));
        executor.submit(waits);
        if ((i + t) % 3 == 0) executor.cancel(waits, Status(Code::kAborted, "stop"));
        flag = true;
        executor.poll_once();
        EXPECT_TRUE(executor.wait(waits, kNever));
        ++finished;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(finished, 600);
}

}  // namespace
}  // namespace dlslime::test
