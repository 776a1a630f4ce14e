// Call: how one rank calls a collective; what ranks compare before they touch each other's bytes.
//
// Threads: a value.   Units: bytes.
// Invariants: equal calls have equal fingerprints; a fingerprint off the wire may hold anything and still prints.
#pragma once
#include <cstdint>
#include <string>

#include "message/fingerprint.h"
#include "reduce/dtype.h"

namespace dlslime {

enum class CollectiveKind : uint8_t {
  kBarrier = 1,
  kBroadcast,
  kAllReduce,
  kReduce,
  kAllGather,
  kGather,
  kScatter,
  kReduceScatter,
  kAllToAll,
};

// In which order the elements lie in memory. Ranks that disagree would take each other's elements for others.
enum class Layout : uint8_t { kRows, kChannelsLast, kChannelsLast3d };

struct Call {
  CollectiveKind kind = CollectiveKind::kBarrier;
  DType dtype = DType::U8;
  bool reduces = false;
  ReduceKind reduction = ReduceKind::Sum;
  Layout layout = Layout::kRows;
  int root = -1;          // -1: rootless
  uint64_t bytes = 0;     // what all ranks must agree on; 0 where sizes may differ
  uint64_t sequence = 0;  // the how-manieth collective of the group, from 1; its low 32 bits travel
  // A digest of the sizes of the parts where they are not alike, and of vectors that travel as one: all ranks must mean the same.
  uint32_t parts = 0;
  uint32_t history = 0;   // a digest of all collectives before it: ranks that parted unnoticed notice now
  uint64_t previous = 0;  // what() of the one before it, to say where they parted

  uint64_t what() const;  // kind, dtype, reduction, layout and root (or parts) in one word

  Fingerprint fingerprint() const;
  static Call from(const Fingerprint& fingerprint);
  static Call from_what(uint64_t what);
  uint32_t history_with_it() const;  // the history of the next one
  std::string describe() const;      // "all_reduce(sum, 1024 x float32)"
};

const char* name_of(CollectiveKind kind);

}  // namespace dlslime
