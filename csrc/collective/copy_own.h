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

inline auto copy_own(Bytes to, ConstBytes from) {
  return bulk_if(from.size() > kLargeCopy, [to, from] { copy_part(to, from, from.size()); });
}

// While messages of the same operation are under way: in pieces, so that this rank's engines get their turns in between and no
// peer waits until the whole part has been copied.
inline constexpr size_t kCopyPiece = 256 << 10;

inline Task<> copy_beside(Bytes to, ConstBytes from) {
  const size_t pieces = steps_for(from.size(), kCopyPiece);
  for (size_t i = 0; i < pieces; ++i) {
    const Bytes into = part(to, i, kCopyPiece);
    const ConstBytes piece = part(from, i, kCopyPiece);
    const size_t whole = from.size();
    co_await bulk_if(piece.size() > kLargeCopy, [into, piece, whole] { copy_part(into, piece, whole); });
  }
}

}  // namespace dlslime
