// The message protocol, one packet at a time: expected, early, late, repeated, forged.
#include <gtest/gtest.h>

#include <random>

#include "message/rig.h"

namespace dlslime::test {
namespace {

constexpr uint64_t kTag = 7;
constexpr size_t kLarge = kEagerLimit + 1;

TEST(Channel, EagerIsKeptUntilSomebodyAsks) {
  Rig rig;
  rig.hear(Rig::head(MessageKind::kEager, kTag, 0, 5), "hello");
  std::string into(5, '.');
  RecvRequest receive(rig.channel, 1, kTag, bytes(into));
  rig.channel.start(receive);
  EXPECT_TRUE(receive.finished() && receive.status().ok());
  EXPECT_EQ(into, "hello");
}

TEST(Channel, SameTagArrivesInOrderAndOtherTagsDoNotInterfere) {
  Rig rig;
  rig.hear(Rig::head(MessageKind::kEager, kTag, 0, 1), "a");
  rig.hear(Rig::head(MessageKind::kEager, kTag + 1, 0, 1), "x");
  rig.hear(Rig::head(MessageKind::kEager, kTag, 1, 1), "b");
  std::string first(1, '.'), second(1, '.');
  RecvRequest one(rig.channel, 1, kTag, bytes(first)), two(rig.channel, 1, kTag, bytes(second));
  rig.channel.start(one);
  rig.channel.start(two);
  EXPECT_EQ(first + second, "ab");
}

TEST(Channel, AnySourceTakesTheEarliest) {
  Rig rig;
  rig.hear(Rig::head(MessageKind::kEager, kTag, 0, 1), "2", 2);
  rig.hear(Rig::head(MessageKind::kEager, kTag, 0, 1), "1", 1);
  std::string into(1, '.');
  RecvRequest receive(rig.channel, RecvRequest::kAnySource, kTag, bytes(into));
  rig.channel.start(receive);
  EXPECT_EQ(into, "2");
  EXPECT_EQ(receive.peer(), 2);
}

TEST(Channel, TagsThatAreUsedOnceAreNotKeptAtFullSize) {
  Rig rig;
  const std::string out(8, 'x');
  for (int round = 0; round < 2; ++round) {
    for (uint64_t tag = 0; tag < 10 * Channel::kFewFlows; ++tag) {
      SendRequest send(rig.channel, 1, tag, std::as_bytes(std::span(out)));
      rig.channel.start(send);
      std::string into(8, '.');
      RecvRequest receive(rig.channel, 1, tag, bytes(into));
      rig.channel.start(receive);
      rig.hear(Rig::head(MessageKind::kEager, tag, uint64_t(round), 8), "message!");
      ASSERT_EQ(into, "message!");
      ASSERT_EQ(rig.one.heads.back().index, uint64_t(round)) << "both sides count on";
    }
    EXPECT_LE(rig.channel.flows(), 2 * Channel::kFewFlows);
  }
}

TEST(Channel, ForgedMessagesAreIgnored) {
  Rig rig;
  std::string into(5, '.');
  RecvRequest receive(rig.channel, 1, kTag, bytes(into));
  rig.channel.start(receive);
  rig.hear(Rig::head(MessageKind::kEager, kTag, 0, 5), "evil!", 1, &rig.two);  // rank 2 says it is rank 1
  rig.hear(Rig::head(MessageKind::kEager, kTag, 0, 6), "evil!", 1);  // a length that is not the body's
  rig.hear(Rig::head(MessageKind::kEager, kTag, 0, 5), "evil!", 3);  // no such rank
  rig.hear(Rig::head(MessageKind::kEager, kTag, 0, 5), "evil!", -1);
  rig.hear(Rig::head(MessageKind(200), kTag, 0, 5), "evil!");  // no such kind
  MessageHead elsewhere = Rig::head(MessageKind::kEager, kTag, 0, 5);
  elsewhere.context = 43;  // no such group
  rig.hear(elsewhere, "evil!");
  rig.messenger.message(rig.one, std::as_bytes(std::span("short")));
  EXPECT_FALSE(receive.finished());
  EXPECT_EQ(into, ".....");
}

TEST(Channel, ALengthThatDiffersFailsBothSides) {
  Rig rig;
  std::string into(3, '.');
  RecvRequest receive(rig.channel, 1, kTag, bytes(into));
  rig.channel.start(receive);
  rig.hear(Rig::head(MessageKind::kEager, kTag, 0, 5), "hello");
  EXPECT_EQ(receive.status().code(), Code::kMismatch);
  EXPECT_EQ(into, "...");
  ASSERT_FALSE(rig.one.heads.empty());
  EXPECT_EQ(rig.one.heads.back().kind, MessageKind::kReceiveGone);
}

TEST(Channel, LargeReceivePostedFirstIsClearedAtOnce) {
  Rig rig;
  std::string into(kLarge, '.');
  RecvRequest receive(rig.channel, 1, kTag, bytes(into));
  rig.channel.start(receive);
  ASSERT_EQ(rig.one.heads.size(), 1u);
  const MessageHead clear = rig.one.heads[0];
  EXPECT_EQ(clear.kind, MessageKind::kClear);
  EXPECT_EQ(clear.region.length, kLarge);
  rig.hear(Rig::head(MessageKind::kReady, kTag, 0, kLarge));
  rig.messenger.landed(rig.one, clear.notify);
  EXPECT_TRUE(receive.finished() && receive.status().ok());
  EXPECT_FALSE(rig.regions.valid(clear.region.id)) << "the grant outlived its message";
}

TEST(Channel, PayloadThatLandsBeforeItsAnnouncementWaitsForIt) {
  Rig rig;
  std::string into(kLarge, '.');
  RecvRequest receive(rig.channel, 1, kTag, bytes(into));
  rig.channel.start(receive);
  rig.messenger.landed(rig.one, rig.one.heads[0].notify);
  EXPECT_FALSE(receive.finished());
  rig.hear(Rig::head(MessageKind::kReady, kTag, 0, kLarge));
  EXPECT_TRUE(receive.finished() && receive.status().ok());
}

TEST(Channel, AClearThatComesBeforeItsSendIsUsed) {
  Rig rig;
  MessageHead clear = Rig::head(MessageKind::kClear, kTag, 0, kLarge);
  clear.region.id = 9;
  clear.notify = 77;
  rig.hear(clear);
  std::string text(kLarge, 'x');
  SendRequest send(rig.channel, 1, kTag, bytes(text));
  rig.channel.start(send);
  ASSERT_EQ(rig.one.puts.size(), 1u);
  EXPECT_EQ(rig.one.puts[0]->remote.id, 9u);
  EXPECT_EQ(rig.one.puts[0]->notify, 77u);
  rig.hear(clear);  // again: nothing
  EXPECT_EQ(rig.one.puts.size(), 1u);
}

TEST(Channel, DestroyingAnUnfinishedSendTakesItBack) {
  Rig rig;
  rig.hear(Rig::head(MessageKind::kClear, kTag, 0, kLarge));
  {
    std::string text(kLarge, 'x');
    SendRequest send(rig.channel, 1, kTag, bytes(text));
    rig.channel.start(send);
    EXPECT_EQ(rig.one.puts.size(), 1u);
  }
  EXPECT_TRUE(rig.one.puts.empty());
  EXPECT_EQ(rig.one.heads.back().kind, MessageKind::kSendGone);
}

TEST(Channel, DestroyingAClearedReceiveTakesItBackAndTheNextOneIsClearedAnew) {
  Rig rig;
  std::string first(kLarge, '.'), second(kLarge, '.');
  auto gone = std::make_unique<RecvRequest>(rig.channel, 1, kTag, bytes(first));
  RecvRequest stays(rig.channel, 1, kTag, bytes(second));
  rig.channel.start(*gone);
  rig.channel.start(stays);
  const uint64_t second_notify = rig.one.heads[1].notify;
  gone.reset();
  EXPECT_EQ(rig.one.heads.back().kind, MessageKind::kClearGone);
  rig.hear(Rig::head(MessageKind::kReady, kTag, 0, kLarge));  // the first message, for the second receive now
  EXPECT_EQ(rig.one.heads.back().kind, MessageKind::kClear);
  EXPECT_EQ(rig.one.heads.back().index, 0u);
  rig.messenger.landed(rig.one, second_notify);  // of the grant that was withdrawn
  EXPECT_FALSE(stays.finished());
  rig.messenger.landed(rig.one, rig.one.heads.back().notify);
  EXPECT_TRUE(stays.finished());
}

// The receive that had cleared it is gone: the message is for the next, from its start.
TEST(Channel, ASendOutlivesTheReceiveThatHadClearedIt) {
  Rig rig;
  MessageHead clear = Rig::head(MessageKind::kClear, kTag, 0, kLarge);
  std::string text(kLarge, 'x');
  SendRequest send(rig.channel, 1, kTag, bytes(text));
  rig.channel.start(send);
  rig.hear(clear);
  EXPECT_EQ(rig.one.puts.size(), 1u);
  rig.hear(Rig::head(MessageKind::kClearGone, kTag, 0));
  EXPECT_TRUE(rig.one.puts.empty());
  EXPECT_FALSE(send.finished());
  clear.region.id = 9;
  rig.hear(clear);
  ASSERT_EQ(rig.one.puts.size(), 1u);
  EXPECT_EQ(rig.one.puts[0]->remote.id, 9u);
  send.completed({});
  EXPECT_TRUE(send.finished() && send.status().ok());
}

TEST(Channel, AClearThatWasTakenBackBeforeItsSendCountsNoMore) {
  Rig rig;
  rig.hear(Rig::head(MessageKind::kClear, kTag, 0, kLarge));
  rig.hear(Rig::head(MessageKind::kClearGone, kTag, 0));
  std::string text(kLarge, 'x');
  SendRequest send(rig.channel, 1, kTag, bytes(text));
  rig.channel.start(send);
  EXPECT_TRUE(rig.one.puts.empty());
}

// Its bytes went where a receive had been taken back: whoever matched its announcement must not wait for them.
TEST(Channel, WhoClearsAMessageThatIsGoneIsTold) {
  Rig rig;
  {
    std::string text(kLarge, 'x');
    SendRequest send(rig.channel, 1, kTag, bytes(text));
    rig.channel.start(send);
    rig.hear(Rig::head(MessageKind::kClear, kTag, 0, kLarge));
    send.completed({});
  }
  rig.hear(Rig::head(MessageKind::kClearGone, kTag, 0));
  MessageHead clear = Rig::head(MessageKind::kClear, kTag, 0, kLarge);
  clear.notify = 8;
  rig.hear(clear);
  EXPECT_EQ(rig.one.heads.back().kind, MessageKind::kLost);
  EXPECT_EQ(rig.one.heads.back().notify, 8u);
}

TEST(Channel, WhoIsToldThatItsMessageIsLostFails) {
  Rig rig;
  std::string into(kLarge, '.');
  RecvRequest receive(rig.channel, 1, kTag, bytes(into));
  rig.channel.start(receive);
  MessageHead lost = Rig::head(MessageKind::kLost, kTag, 0);
  lost.notify = rig.one.heads[0].notify;
  rig.hear(lost);
  EXPECT_FALSE(receive.finished()) << "of a clear that another receive may have sent";
  rig.hear(Rig::head(MessageKind::kReady, kTag, 0, kLarge));
  rig.hear(Rig::head(MessageKind::kLost, kTag, 0));
  EXPECT_FALSE(receive.finished()) << "an answer to another clear";
  rig.hear(lost);
  EXPECT_TRUE(receive.finished());
  EXPECT_EQ(receive.status().code(), Code::kPeerFailed);
}

// Sent before the clear of a receive that was taken back had been heard.
TEST(Channel, AnEagerMessageIsNotLostToALateClear) {
  Rig rig;
  rig.hear(Rig::head(MessageKind::kEager, kTag, 0, 5), "hello");
  MessageHead lost = Rig::head(MessageKind::kLost, kTag, 0);
  lost.notify = 1;
  rig.hear(lost);
  std::string into(5, '.');
  RecvRequest receive(rig.channel, 1, kTag, bytes(into));
  rig.channel.start(receive);
  EXPECT_EQ(into, "hello");
}

TEST(Channel, OfTwoClearsForOneMessageTheLaterCounts) {
  Rig rig;
  MessageHead first = Rig::head(MessageKind::kClear, kTag, 0, kLarge), later = first;
  first.notify = 1;
  later.notify = 2;
  MessageHead first_gone = Rig::head(MessageKind::kClearGone, kTag, 0);
  first_gone.notify = 1;
  std::string text(kLarge, 'x');
  for (const bool announced : {true, false}) {
    SendRequest send(rig.channel, 1, kTag + announced, bytes(text));
    for (MessageHead* head : {&first, &later, &first_gone}) head->tag = kTag + announced;
    if (announced) rig.channel.start(send);
    rig.hear(first);
    rig.hear(later);
    rig.hear(first_gone);
    if (!announced) rig.channel.start(send);
    ASSERT_EQ(rig.one.puts.size(), 1u);
    EXPECT_EQ(rig.one.puts[0]->notify, 2u);
  }
}

// What was posted and taken back has no message: it says nothing of that which another one receives.
TEST(Channel, AReceiveThatHasNoMessageTakesNobodysBack) {
  Rig rig;
  std::string large(kLarge, '.'), small(5, '.');
  RecvRequest receives(rig.channel, 1, kTag, bytes(large));
  rig.channel.start(receives);
  rig.hear(Rig::head(MessageKind::kReady, kTag, 0, kLarge));
  const MessageHead clear = rig.one.heads.back();
  {
    RecvRequest waits(rig.channel, 1, kTag, bytes(small));
    rig.channel.start(waits);
  }
  EXPECT_EQ(rig.one.heads.back().kind, MessageKind::kClear) << "nobody gave up anything";
  rig.messenger.landed(rig.one, clear.notify);
  EXPECT_TRUE(receives.finished() && receives.status().ok());
}

TEST(Channel, SmallSendsStopBeingEagerWhenNobodyConsumesThem) {
  Rig rig;
  std::string text(kEagerLimit, 'x');
  std::vector<std::unique_ptr<SendRequest>> sends;
  for (size_t i = 0; i <= kEagerWindow / kEagerLimit; ++i) {
    sends.push_back(std::make_unique<SendRequest>(rig.channel, 1, kTag, bytes(text)));
    rig.channel.start(*sends.back());
  }
  EXPECT_TRUE(sends.front()->finished());
  EXPECT_FALSE(sends.back()->finished());
  EXPECT_EQ(rig.one.heads.back().kind, MessageKind::kReady);
  rig.hear(Rig::head(MessageKind::kCredit, 0, 0, UINT64_MAX));  // more than was ever sent: no harm
  SendRequest next(rig.channel, 1, kTag + 1, bytes(text));
  rig.channel.start(next);
  EXPECT_TRUE(next.finished());
}

TEST(Channel, AfterGoodbyeWhatCannotComeFails) {
  Rig rig;
  std::string into(1, '.'), text(kLarge, 'x');
  RecvRequest receive(rig.channel, 1, kTag, bytes(into));
  SendRequest send(rig.channel, 1, kTag, bytes(text));
  rig.channel.start(receive);
  rig.channel.start(send);
  rig.hear(Rig::head(MessageKind::kBye));
  EXPECT_EQ(receive.status().code(), Code::kClosed);
  EXPECT_EQ(send.status().code(), Code::kClosed);
  SendRequest late(rig.channel, 1, kTag, bytes(into));
  rig.channel.start(late);
  EXPECT_EQ(late.status().code(), Code::kClosed);
  EXPECT_EQ(rig.left, std::vector<int>{1});
}

TEST(Channel, AFailureReportedByAPeerReachesTheListener) {
  Rig rig;
  MessageHead fail = Rig::head(MessageKind::kFail);
  fail.code = 255;  // no Code of ours
  rig.hear(fail, "the disk is full");
  ASSERT_EQ(rig.failures.size(), 1u);
  EXPECT_EQ(rig.failures[0].second.code(), Code::kPeerFailed);
  EXPECT_NE(rig.failures[0].second.what().find("rank 1 reported: the disk is full"), std::string::npos);
}

// Whatever an authenticated peer says, in any order: no crash, no read or write outside the buffers (sanitizers watch).
TEST(Channel, RandomPackets) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    std::mt19937_64 random(seed);
    Rig rig;
    std::string buffer(kLarge, '.');
    std::vector<std::unique_ptr<Request>> requests;
    for (int i = 0; i < 60; ++i) {
      const size_t size = random() % 2 ? 5 : kLarge;
      const uint64_t tag = random() % 3;
      const int peer = int(random() % 2) + 1;
      if (random() % 3 == 0) {
        auto send = std::make_unique<SendRequest>(rig.channel, peer, tag, bytes(buffer).first(size));
        rig.channel.start(*send);
        requests.push_back(std::move(send));
      } else if (random() % 2) {
        auto receive = std::make_unique<RecvRequest>(
            rig.channel, random() % 4 ? peer : RecvRequest::kAnySource, tag, bytes(buffer).first(size));
        rig.channel.start(*receive);
        requests.push_back(std::move(receive));
      }
      MessageHead head = Rig::head(MessageKind(random() % 13), tag, random() % 4, random() % 3 ? 5 : kLarge);
      head.notify = random() % 5;
      head.code = uint8_t(random());
      rig.hear(head, random() % 2 ? "hello" : "", int(random() % 4) - 1 + int(random() % 2));
      rig.messenger.landed(rig.one, random() % 8);
      if (random() % 5 == 0 && !requests.empty())
        requests.erase(requests.begin() + long(random() % requests.size()));
    }
    requests.clear();
  }
}

// ---- found by review ----

TEST(Channel, FetchedIsNoAnswerToAPut) {
  Rig rig;
  std::string from(kLarge, 'x');
  SendRequest send(rig.channel, 1, kTag, bytes(from));
  rig.channel.start(send);
  MessageHead clear = Rig::head(MessageKind::kClear, kTag, 0, kLarge);
  clear.notify = 5;
  rig.hear(clear);
  ASSERT_EQ(rig.one.puts.size(), 1u);
  rig.hear(Rig::head(MessageKind::kFetched, kTag, 0));
  EXPECT_FALSE(send.finished()) << "the endpoint still reads the buffer";
}

TEST(Channel, AReportedFailureIsNeverOk) {
  Rig rig;
  rig.hear(Rig::head(MessageKind::kFail, 0, 0));
  ASSERT_EQ(rig.failures.size(), 1u);
  EXPECT_FALSE(rig.failures[0].second.ok());
}

// The first receive is taken back; the second was cleared for message 1, whose put lands before message 0 is announced.
TEST(Channel, WhatLandedForAnotherMessageIsNotThisOne) {
  Rig rig;
  std::string a(kLarge, '.'), b(kLarge, '.');
  auto first = std::make_unique<RecvRequest>(rig.channel, 1, kTag, bytes(a));
  rig.channel.start(*first);
  RecvRequest second(rig.channel, 1, kTag, bytes(b));
  rig.channel.start(second);
  const MessageHead clear = rig.one.heads.back();
  ASSERT_EQ(clear.index, 1u);
  first.reset();
  rig.messenger.landed(rig.one, clear.notify);
  EXPECT_FALSE(second.finished());
  rig.hear(Rig::head(MessageKind::kReady, kTag, 0, kLarge));
  EXPECT_FALSE(second.finished()) << "message 0 was received without a byte of it";
}

TEST(Channel, WhoHasLeftAndDiesFailsWhatItWasStillSending) {
  Rig rig;
  std::string into(kLarge, '.');
  RecvRequest receive(rig.channel, 1, kTag, bytes(into));
  rig.channel.start(receive);
  rig.hear(Rig::head(MessageKind::kReady, kTag, 0, kLarge));
  rig.hear(Rig::head(MessageKind::kBye));
  EXPECT_FALSE(receive.finished()) << "its bytes are on their way";
  rig.messenger.down(rig.one, Status(Code::kPeerDied, "gone"));
  EXPECT_EQ(receive.status().code(), Code::kPeerDied);
  EXPECT_TRUE(rig.failures.empty()) << "it had left the group in order";
}

TEST(Channel, AnySourceEndsWhenAllHaveLeft) {
  Rig rig;
  std::string into(1, '.');
  RecvRequest receive(rig.channel, RecvRequest::kAnySource, kTag, bytes(into));
  rig.channel.start(receive);
  rig.hear(Rig::head(MessageKind::kBye), {}, 1);
  EXPECT_FALSE(receive.finished());
  rig.hear(Rig::head(MessageKind::kBye), {}, 2);
  EXPECT_EQ(receive.status().code(), Code::kClosed);
}

}  // namespace
}  // namespace dlslime::test
