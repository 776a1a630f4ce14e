// The messages that channels exchange. One POD head for all kinds, in host byte order (both ends run the same build).
//
//   small payload    sender                        receiver
//     kEager+bytes   ------------------------->    copies into the posted receive, or keeps it until one is posted
//                    <-------------------------    kCredit now and then: how many bytes were consumed
//   large payload, engine puts
//     kReady         ------------------------->    matches it; or has posted first and said kClear already
//                    <-------------------------    kClear with the granted destination
//     put + notify   =========================>    done when the bytes have landed
//   large payload, engine gets (one copy)
//     kReady+grant   ------------------------->    matches it, gets straight into the destination (no grant: as above)
//                    <-------------------------    kFetched
//   either side gives up: kSendGone / kReceiveGone;  a failed group: kFail (index: the collective that failed);  an orderly end: kBye;
//   a receive that has said kClear and is taken back before it matched: kClearGone, and the message waits for the next one;
//   a kClear for a message whose bytes have gone to such a receive already is answered by kLost;
//   a collective that takes long: kCalled, its fingerprint, so that ranks which all wait for each other find out what they disagree about
//
// A send is named by (tag, index): the index-th message of that tag between the two ranks. Both sides count alike.
//
// Units:      bytes, but where a field says otherwise.
// Invariants: a peer is a member that has proven so, and yet may say anything: Channel checks sources, turns, lengths and the window;
//             how many messages it announces is not bounded.
#pragma once
#include <cstdint>

#include "memory/region.h"
#include "message/fingerprint.h"

namespace dlslime {

enum class MessageKind : uint8_t {
  kEager = 1,
  kReady,
  kClear,
  kFetched,
  kSendGone,
  kReceiveGone,
  kClearGone,
  kLost,
  kCredit,
  kFail,
  kBye,
  kCalled
};

struct MessageHead {
  MessageKind kind{};
  uint8_t code = 0;  // kFail, kReceiveGone: a Code
  uint16_t reserved = 0;
  int32_t source = -1;  // the sender's rank in the group
  uint64_t context = 0;
  uint64_t tag = 0;
  uint64_t index = 0;
  uint64_t length = 0;  // of the payload announced, or a count (kCredit: bytes, kBye: operations finished)
  uint64_t notify = 0;  // kClear: what the put shall notify; kClearGone, kLost: that of the kClear
  Fingerprint fingerprint{};
  RemoteRegion region{};
};
static_assert(sizeof(MessageHead) == 128);

// Payloads up to here travel with their head, larger ones are announced first. Where the receiver gets large payloads in one copy
// that is better from a smaller size on.
inline constexpr size_t kEagerLimit = 64 << 10, kEagerLimitFetched = 8 << 10;  // bytes
inline constexpr size_t kMaxReason = 8 << 10;                                  // bytes of kFail's text
inline constexpr uint64_t kEagerWindow = 1 << 20;  // bytes a sender may have unconsumed at one receiver
inline constexpr uint64_t kCreditStep = kEagerWindow / 4;
inline constexpr uint64_t kCollectiveTag = uint64_t(1) << 63;  // user tags are below

}  // namespace dlslime
