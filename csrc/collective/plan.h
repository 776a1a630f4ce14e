// Plan: which algorithm and chunk a group uses for an operation and size. Compiled in: peers of one group run the same build
// (PeerInfo's wire version says so), so it is the same on all ranks without being exchanged.
//
// Threads: a value.   Units: bytes.
// Invariants: an operation's result depends on layout, size, dtype and plan alone, never on timing.
#pragma once
#include <cstddef>

namespace dlslime {

struct Plan {
  size_t one_shot = 32 << 10;     // shared pages: up to here everybody reads everybody's input
  size_t wire_direct = 16 << 10;  // messages: up to here everybody sends everybody its whole input
  // Messages: broadcasts up to here go down a binomial tree, larger ones are spread.
  size_t wire_tree = 64 << 10;
  size_t wire_chunk = 1 << 20;  // messages: larger vectors move in pieces of this size, so that work overlaps
};

}  // namespace dlslime
