// Conformance: when a peer goes, everything that waits for it ends, once, with the reason.
#include <algorithm>

#include "engine/conformance.h"

namespace dlslime::conformance {
namespace {

// Puts and gets too large to be over at once.
struct InFlight {
  explicit InFlight(Table& t) : target(400'000), here(pattern(400'000, 1)) {
    write = t.b.grant(target.span(), Rights::kWrite);
    read = t.b.grant(target.span(), Rights::kRead);
    for (int i = 0; i < 3; ++i) {
      t.a.put(*all.emplace_back(std::make_unique<TestSegment>(here, write.region())));
      fetched.push_back(std::make_unique<std::vector<std::byte>>(400'000));
      t.a.get(*all.emplace_back(std::make_unique<TestSegment>(*fetched.back(), read.region())));
    }
  }
  bool over() const {
    return std::ranges::all_of(all, [](const auto& segment) { return segment->done(); });
  }

  Guarded target;
  std::vector<std::byte> here;
  std::vector<std::unique_ptr<std::vector<std::byte>>> fetched;
  Grant write, read;
  std::vector<std::unique_ptr<TestSegment>> all;
};

void expect_all_over(Table& t, InFlight& flight) {
  ASSERT_TRUE(t.drive_until([&] { return !t.a.downs.empty() && flight.over(); }));
  t.drive(50);
  ASSERT_EQ(t.a.downs.size(), 1u) << "down() comes exactly once";
  const Status& why = t.a.downs.front();
  EXPECT_FALSE(why.ok());
  EXPECT_EQ(why.engine(), t.a.side().engine->name());
  EXPECT_EQ(t.a.endpoint->state().code(), why.code());
  for (auto& segment : flight.all) {
    EXPECT_EQ(segment->completions, 1);
    EXPECT_TRUE(segment->result.ok() || segment->result.code() == why.code()) << segment->result.to_string();
  }
}

void expect_refused_from_now_on(Table& t, InFlight& flight) {
  TestSegment late(flight.here, flight.write.region()), later(flight.here, flight.read.region());
  t.a.put(late);
  t.a.get(later);
  EXPECT_FALSE(late.done() || later.done());
  t.a.post("to nobody");  // swallowed or refused, but harmless
  ASSERT_TRUE(t.drive_until([&] { return late.done() && later.done(); }));
  EXPECT_EQ(late.result.code(), t.a.downs.front().code());
  EXPECT_EQ(later.result.code(), t.a.downs.front().code());
  t.drive(20);
  EXPECT_EQ(late.completions + later.completions, 2);
  EXPECT_EQ(t.a.downs.size(), 1u);
}

TEST_P(Conformance, ThePeerClosesItsEndpoint) {
  each([](Table& t) {
    ASSERT_TRUE(t.settled());
    InFlight flight(t);
    t.drive(6);
    t.b.leave();
    expect_all_over(t, flight);
    expect_refused_from_now_on(t, flight);
  });
}

TEST_P(Conformance, ThePeerClosesWhileNothingIsUnderWay) {
  each([](Table& t) {
    ASSERT_TRUE(t.a.post("x") && t.b.post("y"));
    ASSERT_TRUE(t.drive_until([&] { return !t.a.messages.empty() && !t.b.messages.empty(); }));
    ASSERT_TRUE(t.settled());
    t.b.leave();
    ASSERT_TRUE(t.drive_until([&] { return !t.a.downs.empty(); }));
    t.drive(20);
    EXPECT_EQ(t.a.downs.size(), 1u);
  });
}

TEST_P(Conformance, ThePeerDies) {
  each([this](Table& t) {
    ASSERT_TRUE(t.a.post("x") && t.b.post("last words"));
    ASSERT_TRUE(t.drive_until([&] { return !t.b.messages.empty(); }));
    ASSERT_TRUE(t.drive_until([&] { return t.b.endpoint->flushed(); }));
    InFlight flight(t);
    t.drive(6);
    ASSERT_TRUE(t.pair->kill_b()) << "list ThePeerDies among the exceptions of " << GetParam().name;
    expect_all_over(t, flight);
    EXPECT_EQ(t.a.downs.front().code(), Code::kPeerDied);
    EXPECT_EQ(t.a.messages, std::vector<std::string>{"last words"}) << "what was under way still arrives";
    expect_refused_from_now_on(t, flight);
  });
}

// Its owner cancels what it has under way, and goes: nothing may touch those segments afterwards.
TEST_P(Conformance, LeavingOneself) {
  each([](Table& t) {
    {
      InFlight flight(t);
      t.drive(5);
      for (auto& segment : flight.all) {
        if (!segment->done()) t.a.cancel(*segment);
      }
      t.a.leave();
    }
    ASSERT_TRUE(t.drive_until([&] { return !t.b.downs.empty(); }));
    t.drive(20);
    EXPECT_TRUE(t.a.downs.empty()) << "down() for an endpoint that its owner destroyed";
  });
}

TEST_P(Conformance, ANewConnectionAfterTheOldOne) {
  each([](Table& t) {
    ASSERT_TRUE(t.a.post("one"));
    ASSERT_TRUE(t.drive_until([&] { return t.b.messages.size() == 1; }));
    t.a.leave();
    ASSERT_TRUE(t.drive_until([&] { return !t.b.downs.empty(); }));
    t.b.leave();
    t.drive(20);
    t.connect();
    ASSERT_TRUE(t.a.post("two"));
    ASSERT_TRUE(t.b.post("three"));
    ASSERT_TRUE(t.drive_until([&] { return t.b.messages.size() == 2 && t.a.messages.size() == 1; }));
    EXPECT_EQ(t.b.messages.back(), "two");
  });
}

}  // namespace
}  // namespace dlslime::conformance
