// What a group makes of what its peers say while its own collectives go on. Without peers: the test speaks for them.
#include "collective/group.h"

#include <gtest/gtest.h>

#include "collective/group_operation.h"
#include "support/scripted_endpoint.h"

namespace dlslime {
namespace {

struct GroupTest : testing::Test {
  Call begin(CollectiveKind kind) {
    Call call;
    call.kind = kind;
    return group.begin(call);
  }
  Group::Parts parts() {
    Group::Parts parts;
    parts.size = 3;
    parts.peers = {nullptr, one, two};
    return parts;
  }

  SteadyClock clock;
  Executor executor{clock, nullptr, Ladder{}};
  RegionTable regions;
  Messenger messenger{executor, regions};
  std::shared_ptr<ScriptedEndpoint> one = std::make_shared<ScriptedEndpoint>(),
                                    two = std::make_shared<ScriptedEndpoint>();
  Group group{executor, messenger, parts()};
};

TEST_F(GroupTest, AMessageOfALaterCollectiveWaits) {
  Call call = begin(CollectiveKind::kBroadcast);
  ++call.sequence;
  group.unasked(1, call.fingerprint());
  EXPECT_TRUE(group.failed().ok());
}

// Nobody here will ever ask for it, so the ranks disagree.
TEST_F(GroupTest, AMessageOfAFinishedCollectiveIsAMismatch) {
  const Call finished = begin(CollectiveKind::kBroadcast);
  group.end();
  group.unasked(1, finished.fingerprint());
  EXPECT_EQ(group.failed().code(), Code::kMismatch);
}

// Also while another one runs: it may wait for a rank that, like this peer, never comes to it.
TEST_F(GroupTest, AMessageOfAFinishedCollectiveIsAMismatchDuringTheNext) {
  const Call finished = begin(CollectiveKind::kBroadcast);
  group.end();
  begin(CollectiveKind::kBarrier);
  group.unasked(1, finished.fingerprint());
  EXPECT_EQ(group.failed().code(), Code::kMismatch);
}

// Others let it go on as we did, and may wait for us.
TEST_F(GroupTest, WhatWasSparedAndFailsIsTold) {
  const auto body = [this](Group&) -> Task<> {
    begin(CollectiveKind::kBarrier);
    co_await until([] { return false; });
  };
  GroupOperation barrier(group, Operation::Order::kOrdered, std::chrono::seconds(100), body, "barrier");
  executor.submit(barrier);
  group.peer_failed(1, Status(Code::kMismatch, "in a later one"), 2);
  executor.poll_once();
  ASSERT_FALSE(barrier.done());
  ASSERT_EQ(two->heads.back().index, 2u);
  executor.cancel(barrier, Status(Code::kAborted, "by a signal"));
  executor.poll_once();
  EXPECT_TRUE(barrier.done());
  EXPECT_EQ(two->heads.back().kind, MessageKind::kFail);
  EXPECT_EQ(two->heads.back().index, 1u) << "the collective that can't end now";
}

TEST_F(GroupTest, WhoLeavesIsTheReasonOnlyWhereNothingFailedBefore) {
  EXPECT_EQ(group.peer_left(1, 0).code(), Code::kClosed);
  group.fail(Status(Code::kMismatch, "they differ"));
  EXPECT_EQ(group.peer_left(1, 0).code(), Code::kMismatch);
}

}  // namespace
}  // namespace dlslime
