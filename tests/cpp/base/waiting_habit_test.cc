// When callers are said to have the habit of waiting at once.
#include "base/waiting_habit.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace dlslime {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

struct Caller {
  WaitingHabit habit;
  Nanos now = milliseconds(1);

  // Submits, does something else for a while, and waits.
  bool late_after(Nanos away) {
    WaitingHabit::Stamp stamp = WaitingHabit::submitted(now);
    now += away;
    return habit.late(stamp, now);
  }
  // How many in a row it takes now; `most`: no more are tried.
  int needed(int most = 10'000) {
    int count = 0;
    while (!habit.formed() && count < most) ++count, late_after(microseconds(1));
    return count;
  }
};

TEST(WaitingHabit, IsFormedByAFewAndBrokenByOne) {
  Caller caller;
  EXPECT_EQ(caller.needed(), 4);
  EXPECT_FALSE(caller.late_after(microseconds(99)));
  EXPECT_TRUE(caller.habit.formed());
  EXPECT_TRUE(caller.late_after(microseconds(100)));
  EXPECT_FALSE(caller.habit.formed());
}

TEST(WaitingHabit, TakesTwiceAsManyAfterEachLateOne) {
  Caller caller;
  for (int late = 1, needed = 8; late <= 12; ++late, needed = std::min(2 * needed, 4096)) {
    caller.late_after(milliseconds(1));
    EXPECT_EQ(caller.needed(), needed) << late;
  }
}

TEST(WaitingHabit, AllThatIsInFlightIsLateOnce) {
  Caller caller;
  std::vector<WaitingHabit::Stamp> flight;
  for (int i = 0; i < 8; ++i) flight.push_back(WaitingHabit::submitted(caller.now += microseconds(1)));
  caller.now += milliseconds(1);
  int late = 0;
  for (WaitingHabit::Stamp& stamp : flight) late += caller.habit.late(stamp, caller.now += microseconds(1));
  EXPECT_EQ(late, 1);
  EXPECT_EQ(caller.needed(), 8);
}

TEST(WaitingHabit, ForgivesALateOneAfterAWhile) {
  Caller caller;
  caller.late_after(milliseconds(1));
  for (int i = 0; i < 16 * 8 + 2; ++i) caller.late_after(Nanos(0));
  caller.late_after(milliseconds(1));
  EXPECT_EQ(caller.needed(), 8) << "and not 16";
}

TEST(WaitingHabit, TimeSpentOnOtherOperationsIsNotAway) {
  Caller caller;
  WaitingHabit::Stamp first = WaitingHabit::submitted(caller.now), second = first;
  EXPECT_FALSE(caller.habit.late(first, caller.now));
  caller.now += milliseconds(5);
  WaitingHabit::spent(milliseconds(5));
  EXPECT_FALSE(caller.habit.late(second, caller.now));
  EXPECT_EQ(caller.habit.in_a_row(), 2u);
}

TEST(WaitingHabit, LearnsOnceFromAnOperationAndNothingFromAnotherThreads) {
  Caller caller;
  WaitingHabit::Stamp stamp = WaitingHabit::submitted(caller.now);
  EXPECT_FALSE(caller.habit.late(stamp, caller.now));
  EXPECT_FALSE(caller.habit.late(stamp, caller.now + milliseconds(50))) << "the next slice of a long wait";
  std::thread([&] { stamp = WaitingHabit::submitted(caller.now); }).join();
  EXPECT_FALSE(caller.habit.late(stamp, caller.now + milliseconds(50)));
  EXPECT_EQ(caller.habit.in_a_row(), 1u);
}

}  // namespace
}  // namespace dlslime
