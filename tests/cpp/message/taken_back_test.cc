// Receives that are taken back after they have cleared a message, and what both sides say of that.
#include <gtest/gtest.h>

#include "message/rig.h"

namespace dlslime::test {
namespace {

TEST(TakenBack, DestroyingAClearedReceiveTakesItBackAndTheNextOneIsClearedAnew) {
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
TEST(TakenBack, ASendOutlivesTheReceiveThatHadClearedIt) {
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

TEST(TakenBack, AClearThatWasTakenBackBeforeItsSendCountsNoMore) {
  Rig rig;
  rig.hear(Rig::head(MessageKind::kClear, kTag, 0, kLarge));
  rig.hear(Rig::head(MessageKind::kClearGone, kTag, 0));
  std::string text(kLarge, 'x');
  SendRequest send(rig.channel, 1, kTag, bytes(text));
  rig.channel.start(send);
  EXPECT_TRUE(rig.one.puts.empty());
}

// Its bytes went where a receive had been taken back: whoever matched its announcement must not wait for them.
TEST(TakenBack, WhoClearsAMessageThatIsGoneIsTold) {
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

TEST(TakenBack, WhoIsToldThatItsMessageIsLostFails) {
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
TEST(TakenBack, AnEagerMessageIsNotLostToALateClear) {
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

TEST(TakenBack, OfTwoClearsForOneMessageTheLaterCounts) {
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

// The denial of its bytes, and what the receiver says of it, may come in either order.
TEST(TakenBack, ASendThatIsDeniedWaitsForTheReasonOfIt) {
  for (const bool another_receives : {true, false}) {
    Rig rig;
    std::string text(kLarge, 'x');
    SendRequest send(rig.channel, 1, kTag, bytes(text));
    rig.channel.start(send);
    MessageHead clear = Rig::head(MessageKind::kClear, kTag, 0, kLarge);
    rig.hear(clear);
    rig.one.puts.clear();
    send.completed(Status(Code::kDenied, "no such region"));
    EXPECT_FALSE(send.finished());
    rig.hear(Rig::head(another_receives ? MessageKind::kClearGone : MessageKind::kReceiveGone, kTag, 0));
    if (!another_receives) {
      EXPECT_EQ(send.status().code(), Code::kPeerFailed);
      continue;
    }
    clear.notify = 9;
    rig.hear(clear);
    ASSERT_EQ(rig.one.puts.size(), 1u);
    send.completed({});
    EXPECT_TRUE(send.finished() && send.status().ok());
  }
}

// What was posted and taken back has no message: it says nothing of that which another one receives.
TEST(TakenBack, AReceiveThatHasNoMessageTakesNobodysBack) {
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

// The first receive is taken back; the second was cleared for message 1, whose put lands before message 0 is announced.
TEST(TakenBack, WhatLandedForAnotherMessageIsNotThisOne) {
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

}  // namespace
}  // namespace dlslime::test
