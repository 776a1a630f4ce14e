// Messages and segments over real sockets on loopback.
#include <algorithm>
#include <cstring>

#include "engine/tcp_rig.h"

namespace dlslime::test {
namespace {

std::string numbered(int i) { return "message " + std::to_string(i) + std::string(size_t(i) % 300, '.'); }

bool contains(const Status& status, std::string_view text) {
  return status.to_string().find(text) != std::string::npos;
}

TEST(Tcp, MessagesArriveWholeAndInOrder) {
  Pair pair;
  // Before the connection stands.
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(pair.a.post("head ", numbered(i)));
  ASSERT_TRUE(pair.pump([&] { return pair.b.seen.messages.size() == 100; }));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(pair.b.seen.messages[i], "head " + numbered(i));
  EXPECT_TRUE(pair.pump([&] { return pair.a.endpoint->flushed(); }));
}

TEST(Tcp, TheLargestMessageArrives) {
  Pair pair;
  const std::string body(pair.a.engine->capabilities().max_message - 5, 'x');
  ASSERT_TRUE(pair.b.post("head ", body));
  ASSERT_TRUE(pair.pump([&] { return !pair.a.seen.messages.empty(); }));
  EXPECT_EQ(pair.a.seen.messages[0], "head " + body);
}

// Posts as long as there is room, and again when told so.
struct Flood {
  Side& from;
  int next = 0, count;
  void go() {
    while (next < count) {
      const std::string text = numbered(next);
      if (!from.endpoint->post(std::as_bytes(std::span(text)), {})) return;
      ++next;
    }
  }
};

TEST(Tcp, TenThousandMessagesBothWaysOnTwoThreads) {
  constexpr int kCount = 10'000;
  Pair pair;
  Flood from_a{pair.a, 0, kCount}, from_b{pair.b, 0, kCount};
  pair.a.seen.on_writable = [&] { from_a.go(); };
  pair.b.seen.on_writable = [&] { from_b.go(); };
  pair.a.token([&] { from_a.go(); });
  pair.b.token([&] { from_b.go(); });
  std::atomic<int> at_a{0}, at_b{0};
  pair.a.seen.on_message = [&](auto) { ++at_a; };
  pair.b.seen.on_message = [&](auto) { ++at_b; };
  {
    Driver drive_a(pair.a), drive_b(pair.b);
    const auto give_up = std::chrono::steady_clock::now() + kPatience;
    while ((at_a < kCount || at_b < kCount) && std::chrono::steady_clock::now() < give_up)
      std::this_thread::yield();
  }
  ASSERT_EQ(at_a, kCount);
  ASSERT_EQ(at_b, kCount);
  for (int i = 0; i < kCount; ++i) {
    ASSERT_EQ(pair.a.seen.messages[i], numbered(i));
    ASSERT_EQ(pair.b.seen.messages[i], numbered(i));
  }
}

TEST(Tcp, APostWithoutRoomIsRefusedAndToldWhenThereIsSome) {
  Pair pair;
  const std::string body(16000, 'b');
  int posted = 0;
  while (pair.a.post(body)) ASSERT_LT(++posted, 1000) << "messages queue without limit";
  ASSERT_TRUE(pair.pump([&] { return pair.a.seen.writables > 0; }));
  ASSERT_TRUE(pair.a.post("after"));
  ASSERT_TRUE(pair.pump([&] { return int(pair.b.seen.messages.size()) == posted + 1; }));
}

TEST(Tcp, LargePutsAndGetsBothWaysWithMessagesInBetween) {
  constexpr size_t kSize = (8 << 20) + 13;
  Pair pair;
  const auto from_a = random_bytes(kSize), from_b = random_bytes(kSize);
  auto source_a = from_a, source_b = from_b;
  std::vector<std::byte> at_a(kSize + 7), at_b(kSize + 7), got_a(kSize), got_b(kSize);
  Grant write_a(pair.a.regions, at_a, Rights::kWrite), write_b(pair.b.regions, at_b, Rights::kWrite);
  Grant read_a(pair.a.regions, source_a, Rights::kRead), read_b(pair.b.regions, source_b, Rights::kRead);
  TestSegment put_a(source_a, write_b.region(), 7, 41), put_b(source_b, write_a.region(), 7, 42);
  TestSegment get_a(got_a, read_b.region()), get_b(got_b, read_a.region());
  pair.a.put(put_a), pair.a.get(get_a), pair.b.put(put_b), pair.b.get(get_b);
  for (int i = 0; i < 50; ++i) pair.a.post(numbered(i)), pair.b.post(numbered(i));
  ASSERT_TRUE(pair.pump([&] {
    return put_a.completions && put_b.completions && get_a.completions && get_b.completions &&
           pair.a.seen.messages.size() == 50 && pair.b.seen.messages.size() == 50;
  }));
  for (const TestSegment* one : {&put_a, &put_b, &get_a, &get_b})
    EXPECT_TRUE(one->result.ok()) << one->result.to_string();
  EXPECT_EQ(pair.b.seen.notified, std::vector<uint64_t>{41});
  EXPECT_EQ(pair.a.seen.notified, std::vector<uint64_t>{42});
  EXPECT_TRUE(std::equal(from_a.begin(), from_a.end(), at_b.begin() + 7));
  EXPECT_TRUE(std::equal(from_b.begin(), from_b.end(), at_a.begin() + 7));
  EXPECT_EQ(got_a, from_b);
  EXPECT_EQ(got_b, from_a);
}

TEST(Tcp, LargePutsBothWaysOnTwoThreads) {
  constexpr size_t kSize = 4 << 20;
  Pair pair;
  const auto from_a = random_bytes(kSize), from_b = random_bytes(kSize);
  auto source_a = from_a, source_b = from_b;
  std::vector<std::byte> at_a(kSize), at_b(kSize);
  Grant write_a(pair.a.regions, at_a, Rights::kWrite), write_b(pair.b.regions, at_b, Rights::kWrite);
  TestSegment put_a(source_a, write_b.region()), put_b(source_b, write_a.region());
  std::atomic<int> done{0};
  put_a.on_completed = put_b.on_completed = [&] { ++done; };
  pair.a.put(put_a), pair.b.put(put_b);
  {
    Driver drive_a(pair.a), drive_b(pair.b);
    const auto give_up = std::chrono::steady_clock::now() + kPatience;
    while (done < 2 && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
  }
  ASSERT_EQ(done, 2);
  EXPECT_EQ(at_b, from_a);
  EXPECT_EQ(at_a, from_b);
}

TEST(Tcp, AMessageOvertakesALargePut) {
  Pair pair;
  ASSERT_TRUE(pair.settle());
  auto source = random_bytes(32 << 20);
  std::vector<std::byte> target(source.size());
  Grant write(pair.b.regions, target, Rights::kWrite);
  TestSegment put(source, write.region());
  bool first = false;
  pair.b.seen.on_message = [&](auto) { first = put.completions == 0; };
  pair.a.put(put);
  pair.a.post("urgent");
  ASSERT_TRUE(pair.pump([&] { return put.completions && !pair.b.seen.messages.empty(); }));
  EXPECT_TRUE(first);
}

TEST(Tcp, EmptySegmentsComplete) {
  Pair pair;
  std::vector<std::byte> target(4);
  Grant write(pair.b.regions, target, Rights::kWrite), read(pair.b.regions, target, Rights::kRead);
  TestSegment put({}, write.region(), 4, 9), get({}, read.region(), 4);
  pair.a.put(put), pair.a.get(get);
  ASSERT_TRUE(pair.pump([&] { return put.completions && get.completions; }));
  EXPECT_TRUE(put.result.ok() && get.result.ok());
  EXPECT_EQ(pair.b.seen.notified, std::vector<uint64_t>{9});
}

// What the target refuses must not touch its memory, and must not disturb the connection.
class Refused : public ::testing::Test {
 protected:
  void expect_refused(RemoteRegion region, uint64_t offset, bool is_get) {
    auto mine = random_bytes(1 << 20);
    TestSegment segment(mine, region, offset, is_get ? 0 : 5);
    is_get ? pair.a.get(segment) : pair.a.put(segment);
    ASSERT_TRUE(pair.pump([&] { return segment.completions > 0; }));
    EXPECT_EQ(segment.result.code(), Code::kDenied) << segment.result.to_string();
    EXPECT_EQ(target, before);
    EXPECT_TRUE(pair.b.seen.notified.empty());
    EXPECT_TRUE(pair.settle());
    EXPECT_EQ(segment.completions, 1);
  }
  Pair pair;
  std::vector<std::byte> target = random_bytes(2 << 20), before = target;
  Grant write{pair.b.regions, target, Rights::kWrite}, read{pair.b.regions, target, Rights::kRead};
};

TEST_F(Refused, WrongKey) {
  RemoteRegion region = write.region();
  region.key[7] ^= 1;
  expect_refused(region, 0, false);
  region = read.region();
  region.key[7] ^= 1;
  expect_refused(region, 0, true);
}

TEST_F(Refused, OutOfBounds) {
  expect_refused(write.region(), target.size(), false);
  expect_refused(write.region(), ~uint64_t(0) - 5, false);
  expect_refused(read.region(), target.size() - 100, true);
  expect_refused(read.region(), ~uint64_t(0) - 5, true);
}

TEST_F(Refused, TheOtherRight) {
  expect_refused(read.region(), 0, false);
  expect_refused(write.region(), 0, true);
}

TEST_F(Refused, Revoked) {
  const RemoteRegion was = write.region(), was_readable = read.region();
  write.reset(), read.reset();
  expect_refused(was, 0, false);
  expect_refused(was_readable, 0, true);
}

TEST(Tcp, ARegionRevokedHalfWayIsTouchedNoMore) {
  for (const bool is_get : {false, true}) {
    Pair pair;
    ASSERT_TRUE(pair.settle());
    auto mine = random_bytes(64 << 20);
    auto target = std::make_unique<std::vector<std::byte>>(mine.size());
    Grant grant(pair.b.regions, *target, is_get ? Rights::kRead : Rights::kWrite);
    TestSegment segment(mine, grant.region());
    is_get ? pair.a.get(segment) : pair.a.put(segment);
    for (int i = 0; i < 20; ++i) pair.a.pass(), pair.b.pass();
    ASSERT_EQ(segment.completions, 0) << "too fast for this test: enlarge the segment";
    pair.b.token([&] { grant.reset(), target.reset(); });  // an address sanitizer sees the next touch
    ASSERT_TRUE(pair.pump([&] { return segment.completions > 0; }));
    EXPECT_EQ(segment.result.code(), Code::kDenied);
    EXPECT_TRUE(pair.settle());
  }
}

TEST(Tcp, ACancelledSegmentIsTouchedNoMore) {
  for (const bool is_get : {false, true}) {
    Pair pair;
    ASSERT_TRUE(pair.settle());
    auto target = random_bytes(64 << 20);
    Grant grant(pair.b.regions, target, is_get ? Rights::kRead : Rights::kWrite);
    auto mine = std::make_unique<std::vector<std::byte>>(target.size());
    auto segment = std::make_unique<TestSegment>(*mine, grant.region());
    is_get ? pair.a.get(*segment) : pair.a.put(*segment);
    for (int i = 0; i < 20; ++i) pair.a.pass(), pair.b.pass();
    ASSERT_EQ(segment->completions, 0) << "too fast for this test: enlarge the segment";
    pair.a.token([&] {
      pair.a.endpoint->cancel(*segment);
      segment.reset(), mine.reset();
    });
    EXPECT_TRUE(pair.settle());
    EXPECT_TRUE(pair.pump([&] { return pair.a.endpoint->flushed() && pair.b.endpoint->flushed(); }));
  }
}

TEST(Tcp, ASegmentCancelledBeforeTheConnectionStandsIsForgotten) {
  Pair pair;
  std::vector<std::byte> target(100);
  Grant grant(pair.b.regions, target, Rights::kWrite);
  {
    std::vector<std::byte> mine(100, std::byte(1));
    TestSegment segment(mine, grant.region());
    pair.a.put(segment);
    pair.a.token([&] { pair.a.endpoint->cancel(segment); });
  }
  EXPECT_TRUE(pair.settle());
  EXPECT_TRUE(contains(pair.a.endpoint->state(), "") && pair.a.endpoint->state().ok());
}

TEST(Tcp, AClosedPeerIsToldAfterEverythingItHadSaid) {
  Pair pair;
  ASSERT_TRUE(pair.settle());
  auto mine = random_bytes(100);
  TestSegment segment(mine, RemoteRegion{});
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(pair.b.post(numbered(i)));
  ASSERT_TRUE(pump({&pair.b}, [&] { return pair.b.token([&] { return pair.b.endpoint->flushed(); }); }));
  pair.b.token([&] { pair.b.endpoint.reset(); });
  pair.a.get(segment);
  ASSERT_TRUE(pump({&pair.a}, [&] { return !pair.a.seen.downs.empty(); }));
  EXPECT_EQ(pair.a.seen.messages.size(), 500u);
  EXPECT_EQ(pair.a.seen.downs.size(), 1u);
  EXPECT_EQ(pair.a.seen.downs[0].code(), Code::kLinkLost);
  EXPECT_TRUE(contains(pair.a.seen.downs[0], "the peer closed the connection"))
      << pair.a.seen.downs[0].to_string();
  EXPECT_EQ(pair.a.seen.downs[0].engine(), "tcp");
  EXPECT_EQ(segment.completions, 1);
  EXPECT_EQ(segment.result.code(), Code::kLinkLost);
  TestSegment later(mine, RemoteRegion{});
  pair.a.put(later);  // on an endpoint that is down: completes at once, but not inside put()
  EXPECT_EQ(later.completions, 0);
  ASSERT_TRUE(pump({&pair.a}, [&] { return later.completions == 1; }));
}

TEST(Tcp, ClosingLosesNothingThatWasWritten) {
  // The peer keeps sending, and does not read until the endpoint is gone: a plain close() would reset the
  // connection.
  Pair pair;
  ASSERT_TRUE(pair.settle());
  const std::string body(15'000, 'x');
  int written = 0;
  const auto taken = [&] { return pair.a.token([&] { return pair.a.endpoint->written(); }); };
  while (pair.a.post(body) && (pair.a.pass(), taken())) ++written;
  ASSERT_TRUE(pump({&pair.a}, [&] { return !pair.a.pass(); }));
  ASSERT_TRUE(pair.b.post("never read"));
  pair.a.token([&] { pair.a.endpoint.reset(); });
  ASSERT_TRUE(pair.b.post("never read"));
  ASSERT_TRUE(pair.pump([&] { return !pair.b.seen.downs.empty(); }));
  EXPECT_GT(written, 10);
  EXPECT_EQ(int(pair.b.seen.messages.size()), written);
}

TEST(Tcp, AnEndpointCanBeDeletedInsideACallbackOfAnother) {
  Side a(1), b(2), c(3);
  a.connect(b.self), b.connect(a.self), c.connect(a.self);
  Recorder third_seen;
  auto third = a.token([&] { return a.engine->connect(c.self, 0, {}, third_seen); });
  b.post("one"), c.post("two");
  ASSERT_TRUE(pump({&a, &b, &c}, [&] { return !a.seen.messages.empty() && !third_seen.messages.empty(); }));
  for (int i = 0; i < 10; ++i) c.post("three");
  a.seen.on_message = [&](auto) { third.reset(); };
  b.post("delete it");
  ASSERT_TRUE(pump({&a, &b, &c}, [&] { return !third && !c.seen.downs.empty(); }));
  b.post("still there");
  ASSERT_TRUE(pump({&a, &b, &c}, [&] { return a.seen.messages.size() == 3; }));
}

TEST(Tcp, IdleEndpointsMoveNothing) {
  Pair pair;
  ASSERT_TRUE(pair.settle());
  ASSERT_TRUE(pair.pump([&] { return !pair.a.pass() && !pair.b.pass(); }));
  for (int i = 0; i < 1000; ++i) ASSERT_FALSE(pair.a.pass()) << "an idle engine must let everybody sleep";
}

}  // namespace
}  // namespace dlslime::test
