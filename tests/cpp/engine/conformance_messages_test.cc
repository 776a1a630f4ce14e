// Conformance: messages arrive whole, once and in order, in both directions, and are refused rather than
// piled up.
#include <algorithm>

#include "engine/conformance.h"

namespace dlslime::conformance {
namespace {

std::string text_of(size_t size, uint64_t salt) {
  const auto bytes = pattern(size, salt);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Message i of a series: sizes from nothing to the largest, in two parts of all proportions.
std::string nth(size_t i, size_t largest) {
  constexpr size_t kSizes[] = {0, 1, 7, 8, 63, 64, 100, 511, 512, 4096};
  const size_t size = i % 11 == 10 ? largest : std::min(kSizes[i % 11], largest);
  return text_of(size, i);
}

void post_nth(Player& player, size_t i, size_t largest) {
  const std::string text = nth(i, largest);
  const size_t split = text.empty() ? 0 : (i * 31) % (text.size() + 1);
  ASSERT_TRUE(player.post(std::string_view(text).substr(0, split), std::string_view(text).substr(split)));
}

// Two groups may be in the making at once, and each side may come to them in another order.
TEST_P(Conformance, ConnectionsMadeAtOnceAreNotCrossed) {
  each_unconnected([](Table& t) {
    Player a2(t.pair->a), b2(t.pair->b);
    const std::string from_a = t.a.offer(t.pair->b, 1), from_a2 = a2.offer(t.pair->b, 2);
    const std::string from_b2 = b2.offer(t.pair->a, 2), from_b = t.b.offer(t.pair->a, 1);
    t.a.connect(t.pair->b, from_b, 1), a2.connect(t.pair->b, from_b2, 2);
    b2.connect(t.pair->a, from_a2, 2), t.b.connect(t.pair->a, from_a, 1);
    t.a.post("first"), a2.post("second");
    t.b.post("first"), b2.post("second");
    EXPECT_TRUE(t.drive_until([&] {
      return t.a.messages.size() + t.b.messages.size() + a2.messages.size() + b2.messages.size() == 4;
    }));
    for (const Player* player : {&t.a, &t.b}) EXPECT_EQ(player->messages, std::vector<std::string>{"first"});
    for (const Player* player : {&a2, &b2}) EXPECT_EQ(player->messages, std::vector<std::string>{"second"});
    a2.leave(), b2.leave();
  });
}

TEST_P(Conformance, AMessageArrives) {
  each([](Table& t) {
    ASSERT_TRUE(t.a.post("hello ", "world"));
    ASSERT_TRUE(t.drive_until([&] { return !t.b.messages.empty(); }));
    EXPECT_EQ(t.b.messages, std::vector<std::string>{"hello world"});
    EXPECT_TRUE(t.a.endpoint->state().ok());
    EXPECT_EQ(t.a.endpoint->engine(), t.a.side().engine->name());
  });
}

TEST_P(Conformance, MessagesAreWholeOnceAndInOrder) {
  each([](Table& t) {
    constexpr size_t kCount = 44;
    const size_t largest = t.a.side().engine->capabilities().max_message;
    ASSERT_GE(largest, 4096u);
    for (size_t i = 0; i < kCount; ++i) {
      post_nth(t.a, i, largest);
      if (i % 5 == 0) t.drive(3);
    }
    ASSERT_TRUE(t.drive_until([&] { return t.b.messages.size() >= kCount; }));
    ASSERT_TRUE(t.settled());
    ASSERT_EQ(t.b.messages.size(), kCount);
    for (size_t i = 0; i < kCount; ++i) ASSERT_EQ(t.b.messages[i], nth(i, largest)) << "message " << i;
    EXPECT_TRUE(t.a.messages.empty());
  });
}

TEST_P(Conformance, BothDirectionsAtOnce) {
  each([](Table& t) {
    constexpr size_t kCount = 33;
    const size_t largest = t.a.side().engine->capabilities().max_message;
    for (size_t i = 0; i < kCount; ++i) {
      post_nth(t.a, i, largest);
      post_nth(t.b, i + 1000, largest);
    }
    ASSERT_TRUE(
        t.drive_until([&] { return t.b.messages.size() >= kCount && t.a.messages.size() >= kCount; }));
    for (size_t i = 0; i < kCount; ++i) {
      ASSERT_EQ(t.b.messages[i], nth(i, largest));
      ASSERT_EQ(t.a.messages[i], nth(i + 1000, largest));
    }
  });
}

TEST_P(Conformance, AnAnswerMayBePostedFromInsideMessage) {
  each([](Table& t) {
    constexpr int kRounds = 50;
    t.b.on_message = [&](std::string_view text) { t.b.post("re: ", text); };
    t.a.on_message = [&](std::string_view) {
      if (t.a.messages.size() < kRounds) t.a.post("ping ", std::to_string(t.a.messages.size()));
    };
    t.a.post("ping ", "0");
    ASSERT_TRUE(t.drive_until([&] { return t.a.messages.size() == kRounds; }));
    for (int i = 0; i < kRounds; ++i) EXPECT_EQ(t.a.messages[i], "re: ping " + std::to_string(i));
  });
}

TEST_P(Conformance, BackPressure) {
  each([](Table& t) {
    const size_t largest = t.a.side().engine->capabilities().max_message;
    // Nobody drives, so nobody reads: sooner or later there is no room.
    size_t posted = 0;
    while (posted < 100'000 && t.a.post(nth(posted, largest))) ++posted;
    ASSERT_LT(posted, 100'000u) << "post() never refuses";
    EXPECT_EQ(t.a.writables, 0);
    EXPECT_FALSE(t.a.endpoint->flushed());
    ASSERT_TRUE(t.drive_until([&] { return t.a.writables > 0; })) << "refused, but writable() never came";
    ASSERT_TRUE(t.a.post(nth(posted++, largest)));
    ASSERT_TRUE(t.drive_until([&] { return t.b.messages.size() >= posted; }));
    ASSERT_EQ(t.b.messages.size(), posted) << "the refused one must not arrive";
    for (size_t i = 0; i < posted; ++i) ASSERT_EQ(t.b.messages[i], nth(i, largest)) << "message " << i;
    ASSERT_TRUE(t.settled());
    EXPECT_EQ(t.a.writables, 1) << "writable() follows a refusal, once";
  });
}

TEST_P(Conformance, ReachSaysWhyNot) {
  each_unconnected([](Table& t) {
    EXPECT_TRUE(t.a.side().engine->reach(t.b.side().info).ok());
    PeerInfo stranger = t.b.side().info;
    stranger.id = std::string(32, 'f');
    stranger.addresses.clear();
    const Status no = t.a.side().engine->reach(stranger);
    EXPECT_FALSE(no.ok());
    EXPECT_FALSE(no.what().empty());
  });
}

}  // namespace
}  // namespace dlslime::conformance
