// in_steps: the loop that most collectives over shared pages share: write my in-slot, wait for others' in-slots, read them.
//
// Threads:    under the token; what is Large without it.
// Ownership:  vectors are the operation's and stay until it ends.
// Errors:     those of the waits. A rank whose last operation was another one than its peers', unnoticed, may wait in write_ahead for
//             those: its call is compared when the group's alarm goes off (Group::begin), a second later.
// Units:      bytes; steps count slots.
// Cost:       per step one copy in and one out; a reader waits for the writers of this step only, a writer for the readers of the
//             step kSlots before, so that ranks drift up to kSlots steps apart. What is written ahead costs no wait of its own.
// Invariants: every rank of the operation takes part in every step, with `steps` the same everywhere. A slot that is written ahead is
//             free (in_free) and complete before its rank's line is posted.
#pragma once
#include "collective/local/local_group.h"

namespace dlslime::local {

inline constexpr int kNobody = -2;
inline constexpr int kEverybody = -1;

// For in_steps: a slot full of `data` at a time.
inline auto staging(ConstBytes data) {
  return [data](size_t i, std::byte* slot) {
    const ConstBytes mine = part(data, i, LocalGroup::kSlotBytes);
    copy({slot, mine.size()}, mine);
  };
}
// A slot of one piece for each other rank at a time.
inline auto staging_pieces(const LocalGroup& local, std::span<const ConstBytes> in, size_t piece) {
  return [me = local.rank(), in, piece](size_t i, std::byte* slot) {
    for (size_t p = 0; p < in.size(); ++p) {
      const ConstBytes theirs = part(in[p], i, piece);
      if (p != size_t(me)) copy({slot + p * piece, theirs.size()}, theirs);
    }
  };
}
// And out of it, at the others.
inline auto taking(const LocalGroup& local, int from, Bytes data) {
  return [&local, from, data](size_t i, uint64_t k) {
    const Bytes mine = part(data, i, LocalGroup::kSlotBytes);
    copy(mine, {local.in_slot(from, k), mine.size()});
  };
}

// Which half of a step gives the token away (parts.h): by the sum of what it moves to or from all peers.
struct Large {
  explicit Large(size_t both)
      : Large(both > kLargeCopy, both > kLargeCopy) {}  // each half moves so many bytes
  Large(bool its_write, bool its_read) : write(its_write), read(its_read) {}
  bool write, read;
};

// The first step's writing, before the call is posted: whoever has seen the call sees the slot. Returns the step.
template <class Write>
Task<uint64_t> write_ahead(LocalGroup& local, Large large, bool writes, Write write) {
  const uint64_t k = local.next_in();
  if (writes) {
    co_await local.in_free(k);
    std::byte* slot = local.in_slot(local.rank(), k);
    co_await bulk_if(large.write, [&write, slot] { write(0, slot); });
  }
  co_return k;
}

// write(i, slot) fills my slot of step i; read(i, k) takes what I need from the in-slots of k. `reads`: a rank, or one of the above.
// `ahead`: the first step, where it has been written ahead and all that are read from have posted their calls.
template <class Write, class Read>
Task<> in_steps(LocalGroup& local, size_t steps, Large large, bool writes, int reads, Write write, Read read,
                uint64_t ahead = 0) {
  for (size_t i = 0; i < std::max<size_t>(steps, ahead ? 1 : 0); ++i) {
    const bool written = i == 0 && ahead;
    const uint64_t k = written ? ahead : local.next_in();
    if (writes && !written) {
      co_await local.in_free(k);
      std::byte* slot = local.in_slot(local.rank(), k);
      co_await bulk_if(large.write, [&write, i, slot] { write(i, slot); });
      local.publish(LocalGroup::kPosted, k);
    }
    if (reads == kEverybody && !written) co_await local.all(LocalGroup::kPosted, k);
    if (reads >= 0 && !written) co_await local.one(reads, LocalGroup::kPosted, k);
    if (reads != kNobody) co_await bulk_if(large.read, [&read, i, k] { read(i, k); });
    local.publish(LocalGroup::kConsumed, k);
  }
}

}  // namespace dlslime::local
