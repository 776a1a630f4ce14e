// The message protocol, one packet at a time: expected, early, late, repeated, forged.
#include <gtest/gtest.h>

#include <random>

#include "message/rig.h"

namespace dlslime::test {
namespace {

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

// The second would take the place of the first, whose receive nobody would end.
TEST(Channel, AMessageOutOfTurnFailsWhoSaysIt) {
  for (const uint64_t index : {0, 2}) {
    Rig rig;
    rig.hear(Rig::head(MessageKind::kReady, kTag, 0, kLarge));
    EXPECT_TRUE(rig.failures.empty());
    rig.hear(Rig::head(MessageKind::kReady, kTag, index, kLarge));
    ASSERT_EQ(rig.failures.size(), 1u);
    EXPECT_EQ(rig.failures[0].first, 1);
    EXPECT_NE(rig.failures[0].second.what().find("where number 1 was due"), std::string::npos);
  }
}

// What it has not sent yet is nobody's business: a peer whose credit is used up may send no more.
TEST(Channel, WhoSendsBeyondItsCreditFails) {
  Rig rig;
  const std::string body(kEagerLimit, 'x');
  uint64_t index = 0;
  const auto send = [&] { rig.hear(Rig::head(MessageKind::kEager, kTag, index++, body.size()), body); };
  while (index < kEagerWindow / kEagerLimit) send();
  std::string into(kEagerLimit, '.');
  for (size_t taken = 0; taken < kCreditStep; taken += kEagerLimit) {
    RecvRequest receive(rig.channel, 1, kTag, bytes(into));
    rig.channel.start(receive);
  }
  ASSERT_EQ(rig.one.heads.back().kind, MessageKind::kCredit);
  for (uint64_t sent = 0; sent < rig.one.heads.back().length; sent += kEagerLimit) send();
  EXPECT_TRUE(rig.failures.empty());
  send();
  ASSERT_EQ(rig.failures.size(), 1u);
  EXPECT_EQ(rig.failures[0].first, 1);
}

// The numbers count up: anybody can guess them.
TEST(Channel, AnotherPeersNotifyEndsNobodysReceive) {
  Rig rig;
  std::string into(kLarge, '.');
  RecvRequest receive(rig.channel, 1, kTag, bytes(into));
  rig.channel.start(receive);
  const uint64_t notify = rig.one.heads.back().notify;
  rig.hear(Rig::head(MessageKind::kReady, kTag, 0, kLarge));
  rig.messenger.landed(rig.two, notify);
  EXPECT_FALSE(receive.finished());
  rig.messenger.landed(rig.one, notify);
  EXPECT_TRUE(receive.finished() && receive.status().ok());
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
    std::map<std::pair<int, uint64_t>, uint64_t> due;  // most arrive in turn, or little would
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
      const int source = int(random() % 4) - 1 + int(random() % 2);
      const bool arrives = head.kind == MessageKind::kEager || head.kind == MessageKind::kReady;
      if (arrives && random() % 8) head.index = due[{source, tag}]++;
      rig.hear(head, random() % 2 ? "hello" : "", source);
      rig.messenger.landed(rig.one, random() % 8);
      if (random() % 5 == 0 && !requests.empty())
        requests.erase(requests.begin() + long(random() % requests.size()));
    }
    requests.clear();
  }
}

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
