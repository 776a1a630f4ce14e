// Conformance: puts and gets move exactly their bytes, in their time, and only where they are allowed.
#include <algorithm>

#include "engine/conformance.h"

namespace dlslime::conformance {
namespace {

constexpr size_t kSizes[] = {0, 1, 63, (64 << 10) - 1, (1 << 20) + 3};

enum class Kind { kPut, kBufferedPut, kGet };

void start(Player& player, Kind kind, TestSegment& segment) {
  segment.buffered = kind == Kind::kBufferedPut;
  kind == Kind::kGet ? player.get(segment) : player.put(segment);
}
Rights right_for(Kind kind) { return kind == Kind::kGet ? Rights::kRead : Rights::kWrite; }

TEST_P(Conformance, PutsOfAllSizes) {
  each([](Table& t) {
    for (size_t size : kSizes) {
      Guarded target(size + 20);
      Grant grant = t.b.grant(target.span(), Rights::kWrite);
      auto data = pattern(size, size);
      TestSegment put(data, grant.region(), 7);
      t.a.put(put);
      ASSERT_TRUE(t.drive_until([&] { return put.done(); })) << size;
      EXPECT_TRUE(put.result.ok()) << put.result.to_string();
      EXPECT_TRUE(target.holds(data, 7)) << "completed before the bytes had landed: " << size;
      EXPECT_TRUE(target.guards_intact());
      EXPECT_EQ(target.span()[6], std::byte(kGuard));
      EXPECT_EQ(target.span()[7 + size], std::byte(kGuard));
      ASSERT_TRUE(t.settled());
      EXPECT_EQ(put.completions, 1);
    }
    EXPECT_TRUE(t.b.notified.empty());
  });
}

TEST_P(Conformance, AnEmptyRegionTakesAnEmptyPut) {
  each([](Table& t) {
    Grant nowhere = t.b.grant({}, Rights::kWrite);
    TestSegment put({}, nowhere.region(), 0, 5);
    t.a.put(put);
    ASSERT_TRUE(t.drive_until([&] { return put.done() && !t.b.notified.empty(); }));
    EXPECT_TRUE(put.result.ok()) << put.result.to_string();
    EXPECT_EQ(t.b.notified, std::vector<uint64_t>{5});
  });
}

TEST_P(Conformance, BufferedPutsGiveTheirMemoryBack) {
  each([](Table& t) {
    for (size_t size : kSizes) {
      Guarded target(size);
      Grant grant = t.b.grant(target.span(), Rights::kWrite);
      const auto expected = pattern(size, size);
      auto data = expected;
      TestSegment put(data, grant.region(), 0, 1 + size);
      put.then = [&] { std::ranges::fill(data, std::byte{0}); };
      t.b.notified.clear();
      start(t.a, Kind::kBufferedPut, put);
      ASSERT_TRUE(t.drive_until([&] { return put.done() && !t.b.notified.empty(); })) << size;
      EXPECT_TRUE(put.result.ok()) << put.result.to_string();
      EXPECT_TRUE(target.holds(expected)) << size;
      EXPECT_TRUE(target.guards_intact());
      ASSERT_TRUE(t.settled());
      EXPECT_EQ(put.completions, 1);
    }
  });
}

TEST_P(Conformance, ARefusedBufferedPutHurtsNobody) {
  each([](Table& t) {
    Guarded target(300'000);
    Grant grant = t.b.grant(target.span(), Rights::kRead);
    auto data = pattern(300'000, 4);
    TestSegment put(data, grant.region(), 0, 9);
    start(t.a, Kind::kBufferedPut, put);
    ASSERT_TRUE(t.drive_until([&] { return put.done(); }));
    ASSERT_TRUE(t.settled());
    EXPECT_EQ(put.completions, 1);
    EXPECT_TRUE(target.untouched());
    EXPECT_TRUE(t.b.notified.empty());
  });
}

TEST_P(Conformance, GetsOfAllSizes) {
  each([](Table& t) {
    for (size_t size : kSizes) {
      auto data = pattern(size + 20, size);
      Grant grant = t.b.grant(data, Rights::kRead);
      Guarded here(size);
      TestSegment get(here.span(), grant.region(), 7);
      t.a.get(get);
      ASSERT_TRUE(t.drive_until([&] { return get.done(); })) << size;
      EXPECT_TRUE(get.result.ok()) << get.result.to_string();
      EXPECT_TRUE(here.holds(std::span(data).subspan(7, size)));
      EXPECT_TRUE(here.guards_intact());
      ASSERT_TRUE(t.settled());
      EXPECT_EQ(get.completions, 1);
    }
  });
}

TEST_P(Conformance, ManySegmentsAndMessagesInFlight) {
  each([](Table& t) {
    constexpr size_t kEach = 40, kSlot = 9000;
    auto source = pattern(kEach * kSlot, 1), mine = pattern(kEach * kSlot, 2);
    Guarded target(kEach * kSlot), fetched(kEach * kSlot);
    Grant to = t.b.grant(target.span(), Rights::kWrite), from = t.b.grant(source, Rights::kRead);
    std::vector<std::unique_ptr<TestSegment>> all;
    for (size_t i = 0; i < kEach; ++i) {
      const auto slot = [&](std::span<std::byte> memory) { return memory.subspan(i * kSlot, kSlot); };
      t.a.put(*all.emplace_back(std::make_unique<TestSegment>(slot(mine), to.region(), i * kSlot)));
      t.a.get(
          *all.emplace_back(std::make_unique<TestSegment>(slot(fetched.span()), from.region(), i * kSlot)));
      ASSERT_TRUE(t.a.post(std::to_string(i)));
      if (i % 7 == 0) t.drive(2);
    }
    ASSERT_TRUE(t.drive_until([&] { return std::ranges::all_of(all, [](auto& s) { return s->done(); }); }));
    ASSERT_TRUE(t.drive_until([&] { return t.b.messages.size() == kEach; }));
    ASSERT_TRUE(t.settled());
    for (auto& segment : all) {
      EXPECT_TRUE(segment->result.ok());
      EXPECT_EQ(segment->completions, 1);
    }
    EXPECT_TRUE(target.holds(mine) && target.guards_intact());
    EXPECT_TRUE(fetched.holds(source) && fetched.guards_intact());
  });
}

TEST_P(Conformance, NotifyComesAfterTheLastByte) {
  each([](Table& t) {
    for (size_t size : {size_t(0), size_t(8), size_t(300'000)}) {
      Guarded target(size);
      Grant grant = t.b.grant(target.span(), Rights::kWrite);
      const auto data = pattern(size, 77 + size);
      auto copy = data;
      TestSegment put(copy, grant.region(), 0, 1000 + size);
      bool whole = false;
      t.b.notified.clear();
      t.b.on_landed = [&](uint64_t) { whole = target.holds(data); };
      t.a.put(put);
      ASSERT_TRUE(t.drive_until([&] { return put.done() && !t.b.notified.empty(); }));
      EXPECT_TRUE(whole);
      ASSERT_TRUE(t.settled());
      EXPECT_EQ(t.b.notified, std::vector<uint64_t>{1000 + size});
    }
  });
}

TEST_P(Conformance, ASegmentMayBeStartedFromInsideCompleted) {
  each([](Table& t) {
    constexpr int kRounds = 20;
    Guarded target(64);
    Grant grant = t.b.grant(target.span(), Rights::kWrite);
    auto data = pattern(64, 3);
    std::vector<std::unique_ptr<TestSegment>> all;
    std::function<void()> next = [&] {
      if (all.size() == kRounds) return;
      auto& segment = *all.emplace_back(std::make_unique<TestSegment>(data, grant.region()));
      segment.then = next;
      t.a.endpoint->put(segment);  // the token is held, by the caller or by whoever completes
    };
    t.a.side().executor->with_token(next);
    ASSERT_TRUE(t.drive_until([&] { return all.size() == kRounds && all.back()->done(); }));
    for (auto& segment : all) EXPECT_EQ(segment->completions, 1);
  });
}

// ---- who may touch what ----

struct Forgery {
  const char* what;
  std::function<void(TestSegment&)> change;
};
const std::vector<Forgery>& forgeries() {
  static const std::vector<Forgery> all = {
      {"wrong key", [](TestSegment& s) { s.remote.key[3] ^= 1; }},
      {"unknown region", [](TestSegment& s) { s.remote.id += 1000; }},
      {"one byte too far", [](TestSegment& s) { s.offset = 101; }},
      {"far outside", [](TestSegment& s) { s.offset = uint64_t(1) << 40; }},
      {"overflow", [](TestSegment& s) { s.offset = UINT64_MAX - 10; }},
      {"a longer region than was granted", [](TestSegment& s) { s.offset = 150, s.remote.length = 1 << 20; }},
      // The initiator's own word about its rights, or about the address, counts for nothing.
      {"another address", [](TestSegment& s) { s.remote.address += 4096, s.remote.key[0] ^= 1; }},
  };
  return all;
}

void expect_refused(Table& t, Kind kind, const char* what, TestSegment& segment, const Guarded& target) {
  start(t.a, kind, segment);
  ASSERT_TRUE(t.drive_until([&] { return segment.done(); })) << what;
  EXPECT_EQ(segment.result.code(), Code::kDenied) << what << ": " << segment.result.to_string();
  EXPECT_TRUE(target.untouched()) << what;
  ASSERT_TRUE(t.settled());
  EXPECT_EQ(segment.completions, 1) << what;
  EXPECT_TRUE(t.a.endpoint->state().ok()) << what << " must not cost the connection";
  EXPECT_TRUE(t.b.notified.empty()) << what;
}

// One case each for puts and gets: an engine that reads a peer's memory from outside checks its gets itself.
void refuse_forgeries(Table& t, Kind kind) {
  for (const Forgery& forgery : forgeries()) {
    Guarded target(200), here(100);
    Grant grant = t.b.grant(target.span(), right_for(kind));
    TestSegment segment(here.span(), grant.region(), 0, kind == Kind::kPut ? 9 : 0);
    forgery.change(segment);
    if (kind == Kind::kPut) std::ranges::copy(pattern(100, 1), here.span().begin());
    expect_refused(t, kind, forgery.what, segment, target);
  }
}

void refuse_the_wrong_right(Table& t, Kind kind) {
  Guarded target(200);
  std::vector<std::byte> here = pattern(100, 1);
  Grant grant = t.b.grant(target.span(), right_for(kind == Kind::kPut ? Kind::kGet : Kind::kPut));
  TestSegment segment(here, grant.region());
  segment.remote.rights = right_for(kind);
  expect_refused(t, kind, "the wrong right", segment, target);
}

void refuse_what_was_revoked(Table& t, Kind kind) {
  Guarded target(200);
  std::vector<std::byte> here = pattern(100, 1);
  Grant grant = t.b.grant(target.span(), right_for(kind));
  TestSegment segment(here, grant.region());
  t.b.revoke(grant);
  expect_refused(t, kind, "revoked", segment, target);
}

TEST_P(Conformance, ForgedPutsAreRefused) {
  each([](Table& t) { refuse_forgeries(t, Kind::kPut); });
}
TEST_P(Conformance, ForgedGetsAreRefused) {
  each([](Table& t) { refuse_forgeries(t, Kind::kGet); });
}
TEST_P(Conformance, PutsNeedTheRightToWrite) {
  each([](Table& t) { refuse_the_wrong_right(t, Kind::kPut); });
}
TEST_P(Conformance, GetsNeedTheRightToRead) {
  each([](Table& t) { refuse_the_wrong_right(t, Kind::kGet); });
}
TEST_P(Conformance, PutsIntoARevokedRegionAreRefused) {
  each([](Table& t) { refuse_what_was_revoked(t, Kind::kPut); });
}
TEST_P(Conformance, GetsFromARevokedRegionAreRefused) {
  each([](Table& t) { refuse_what_was_revoked(t, Kind::kGet); });
}

// From the moment a region is revoked its memory may be freed, whatever is under way.
TEST_P(Conformance, RevokedUnderWay) {
  each([](Table& t) {
    for (Kind kind : {Kind::kPut, Kind::kGet}) {
      for (int passes = 0; passes < 24; passes += 3) {
        auto target = std::make_unique<std::vector<std::byte>>(pattern(600'000, 1));
        auto here = pattern(600'000, 2);
        Grant grant = t.b.grant(*target, right_for(kind));
        TestSegment segment(here, grant.region());
        start(t.a, kind, segment);
        t.drive(passes);
        t.b.revoke(grant);
        target.reset();
        ASSERT_TRUE(t.drive_until([&] { return segment.done(); }));
        EXPECT_TRUE(segment.result.ok() || segment.result.code() == Code::kDenied)
            << segment.result.to_string();
        ASSERT_TRUE(t.settled());
        EXPECT_EQ(segment.completions, 1);
      }
    }
    ASSERT_TRUE(t.a.post("still there"));
    ASSERT_TRUE(t.drive_until([&] { return !t.b.messages.empty(); }));
  });
}

// ---- cancel: from the moment it returns the buffer is the caller's again ----

TEST_P(Conformance, CancelledAtAnyMoment) {
  each([](Table& t) {
    for (Kind kind : {Kind::kPut, Kind::kBufferedPut, Kind::kGet}) {
      for (int passes = 0; passes < 40; passes += 1 + passes / 8) {
        Guarded target(300'000);
        Grant grant = t.b.grant(target.span(), right_for(kind));
        auto buffer = std::make_unique<std::vector<std::byte>>(pattern(300'000, 5));
        {
          TestSegment segment(*buffer, grant.region());
          start(t.a, kind, segment);
          t.drive(passes);
          const int before = segment.completions;
          t.a.cancel(segment);
          t.drive(5);
          EXPECT_EQ(segment.completions, before) << "completed after cancel()";
        }
        buffer.reset();
        t.drive(20);
        EXPECT_TRUE(target.guards_intact());
        // The connection goes on: a whole transfer behind the cancelled one.
        auto after = pattern(1000, 6);
        TestSegment whole(after, grant.region(), 5);
        start(t.a, kind, whole);
        ASSERT_TRUE(t.drive_until([&] { return whole.done(); }));
        EXPECT_TRUE(whole.result.ok()) << whole.result.to_string();
        ASSERT_TRUE(t.settled());
      }
    }
  });
}

TEST_P(Conformance, OneOfManyIsCancelled) {
  each([](Table& t) {
    constexpr size_t kCount = 12, kSize = 50'000;
    Guarded target(kCount * kSize);
    Grant grant = t.b.grant(target.span(), Rights::kWrite);
    auto data = pattern(kCount * kSize, 8);
    std::vector<std::unique_ptr<TestSegment>> all;
    for (size_t i = 0; i < kCount; ++i) {
      const auto part = std::span(data).subspan(i * kSize, kSize);
      t.a.put(*all.emplace_back(std::make_unique<TestSegment>(part, grant.region(), i * kSize)));
    }
    t.drive(4);
    for (size_t i = 0; i < kCount; i += 3) {
      if (!all[i]->done()) t.a.cancel(*all[i]);
      all[i].reset();
    }
    ASSERT_TRUE(
        t.drive_until([&] { return std::ranges::all_of(all, [](auto& s) { return !s || s->done(); }); }));
    for (size_t i = 0; i < kCount; ++i) {
      if (!all[i]) continue;
      EXPECT_TRUE(target.holds(std::span(data).subspan(i * kSize, kSize), i * kSize)) << i;
    }
  });
}

}  // namespace
}  // namespace dlslime::conformance
