// What StreamEndpoints say to each other over a BytePipe. PODs in host byte order: both ends run the same build (PeerInfo's version).
//
//   kMessage   length bytes of message
//   kPut       PutHead, then length bytes for the region; the last frame of a put is answered by kPutDone unless it is buffered; a refused one always
//   kPutDone   DoneHead
//   kGet       GetHead
//   kGetData   DataHead, then length bytes
//   kGetDone   DoneHead, only for a refused get
//
// Units:      bytes; offsets are from a region's start.
// Invariants: a reader believes nothing: lengths are bounded before they are read, regions checked before a byte is written.
#pragma once
#include <cstdint>

#include "memory/region.h"

namespace dlslime::stream {

enum class FrameType : uint8_t { kMessage = 1, kPut, kPutDone, kGet, kGetData, kGetDone };

struct FrameHead {
  FrameType type;
  uint8_t last = 0;    // of its put or get
  uint8_t silent = 0;  // kPut: nobody waits to hear that it has landed
  uint8_t reserved = 0;
  uint32_t length = 0;  // bytes that follow the type's own head
};
static_assert(sizeof(FrameHead) == 8);

struct PutHead {  // every frame names the whole put: it is checked before its first byte lands
  uint64_t request, region, offset, total, moved, notify;
  RegionKey key;
};
struct GetHead {
  uint64_t request, region, offset, length;
  RegionKey key;
};
struct DataHead {
  uint64_t request, offset;
};
struct DoneHead {
  uint64_t request, code;
};

inline constexpr size_t kMaxMessage = 72 << 10;     // the receiver's buffer holds a whole message
inline constexpr size_t kFramePayload = 256 << 10;  // between two of these a message can slip in
inline constexpr size_t kServedPayload = 64 << 10;  // a get is answered in copies of this size
inline constexpr size_t kInBuffer = 160 << 10;
inline constexpr size_t kMaxQueued = 256 << 10;  // messages waiting for the pipe; more are refused
// Bytes, gets: a peer that asks for more is cut off.
inline constexpr size_t kMaxAnswers = 16 << 20, kMaxServed = 256 << 10;
inline constexpr size_t kReadBudget = 256 << 10;  // per poll: nobody holds the token much longer than 20 us
static_assert(kInBuffer >= 2 * (kMaxMessage + sizeof(FrameHead)));

}  // namespace dlslime::stream
