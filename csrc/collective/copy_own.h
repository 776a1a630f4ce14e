// copy_own, copy_beside: a rank's own part, from its input to its output, which no engine moves.
//
// Threads:    awaited under the token; long parts are copied without it.
// Ownership:  both buffers are the operation's.
// Errors:     none of its own; what is awaited is resumed with a Failure where the operation has been stopped.
// Units:      bytes.
// Invariants: the two do not overlap, or are the same memory.
#pragma once
#include "base/streaming_copy.h"
#include "base/task.h"
#include "base/wait.h"
#include "collective/parts.h"

namespace dlslime {

// Nothing happens where both are the same memory (in-place calls).
inline void copy_part(Bytes to, ConstBytes from, size_t whole) {
  if (to.data() != from.data()) streaming_copy(to.data(), from.data(), from.size(), whole);
}

inline Task<> copy_own(Bytes to, ConstBytes from, size_t piece = kBulkBytes) {
  const size_t whole = from.size(), pieces = steps_for(whole, piece);
  for (size_t i = 0; i < pieces; ++i) {
    const Bytes into = part(to, i, piece);
    const ConstBytes mine = part(from, i, piece);
    co_await bulk_if(mine.size() > kLargeCopy, [into, mine, whole] { copy_part(into, mine, whole); });
  }
}

// While messages of the same operation are under way: in smaller ones, so that no peer waits for this rank's engines long.
inline constexpr size_t kCopyPiece = 256 << 10;
inline Task<> copy_beside(Bytes to, ConstBytes from) { return copy_own(to, from, kCopyPiece); }

}  // namespace dlslime
