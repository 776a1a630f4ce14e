// One channel of rank 0 in a group of 3, with endpoints that record what it says and let the test speak for the peers.
//
// Threads: one.   Ownership: the rig owns everything; requests must go before it.
#pragma once
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "engine/sim/sim_events.h"
#include "message/channel.h"
#include "message/messenger.h"
#include "support/scripted_endpoint.h"

namespace dlslime::test {

inline constexpr uint64_t kTag = 7;
inline constexpr size_t kLarge = kEagerLimit + 1;  // bytes: announced before it is sent

class Rig : public ChannelListener {
 public:
  static constexpr uint64_t kContext = 42;

  Rig()
      : executor(clock, nullptr, Ladder{}),
        messenger(executor, regions),
        channel(messenger, *this, kContext, 0, {nullptr, &one, &two}) {}

  // What rank `source` says, over its own endpoint unless another is named.
  void hear(MessageHead head, std::string_view body = {}, int source = 1, Endpoint* over = nullptr) {
    head.source = source;
    if (head.context == 0) head.context = kContext;
    std::string bytes(reinterpret_cast<const char*>(&head), sizeof head);
    bytes += body;
    messenger.message(over ? *over : (source == 2 ? two : one), std::as_bytes(std::span(bytes)));
  }
  static MessageHead head(MessageKind kind, uint64_t tag = 0, uint64_t index = 0, uint64_t length = 0) {
    MessageHead head;
    head.kind = kind;
    head.tag = tag;
    head.index = index;
    head.length = length;
    return head;
  }

  void peer_failed(int rank, const Status& why, uint64_t) override { failures.emplace_back(rank, why); }
  void unasked(int, const Fingerprint&) override {}
  void called(int, const Fingerprint&) override {}
  Status peer_left(int rank, uint64_t) override {
    left.push_back(rank);
    return {Code::kClosed, "rank " + std::to_string(rank) + " has left the group"};
  }
  Status mismatch(int, const Fingerprint&, const Fingerprint&) override {
    return {Code::kMismatch, "they differ"};
  }

  VirtualClock clock;
  Executor executor;
  RegionTable regions;
  Messenger messenger;
  ScriptedEndpoint one, two;
  Channel channel;
  std::vector<std::pair<int, Status>> failures;
  std::vector<int> left;
};

inline std::span<std::byte> bytes(std::string& text) { return std::as_writable_bytes(std::span(text)); }

}  // namespace dlslime::test
