// What a group makes of what its peers say while its own collectives go on. Without peers: the test speaks for them.
#include "collective/group.h"

#include <gtest/gtest.h>

namespace dlslime {
namespace {

class Mute final : public Endpoint {
 public:
  bool post(std::span<const std::byte>, std::span<const std::byte>) override { return true; }
  void put(Segment&) override {}
  void get(Segment&) override {}
  void cancel(Segment&) override {}
  bool written() const override { return true; }
  bool flushed() const override { return true; }
  const Status& state() const override { return state_; }
  std::string_view engine() const override { return "mute"; }

 private:
  const Status state_;
};

struct GroupTest : testing::Test {
  Call begin(CollectiveKind kind) {
    Call call;
    call.kind = kind;
    return group.begin(call);
  }
  static Group::Parts parts() {
    Group::Parts parts;
    parts.size = 2;
    parts.peers = {nullptr, std::make_shared<Mute>()};
    return parts;
  }

  SteadyClock clock;
  Executor executor{clock, nullptr, Ladder{}};
  RegionTable regions;
  Messenger messenger{executor, regions};
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

TEST_F(GroupTest, WhoLeavesIsTheReasonOnlyWhereNothingFailedBefore) {
  EXPECT_EQ(group.peer_left(1, 0).code(), Code::kClosed);
  group.fail(Status(Code::kMismatch, "they differ"));
  EXPECT_EQ(group.peer_left(1, 0).code(), Code::kMismatch);
}

}  // namespace
}  // namespace dlslime
