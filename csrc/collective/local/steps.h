// in_steps: the loop that most collectives over shared pages share: write my in-slot, wait for others' in-slots, read them.
//
// Cost:       per step one copy in and one out; a reader waits for the writers of this step only, a writer for the readers of the
//             step kSlots before, so that ranks drift up to kSlots steps apart.
// Invariants: every rank of the operation takes part in every step, with `steps` the same everywhere.
#pragma once
#include "collective/local/local_group.h"

namespace dlslime::local {

inline constexpr int kNobody = -2;
inline constexpr int kEverybody = -1;

// write(i, slot) fills my slot of step i; read(i, k) takes what I need from the in-slots of k. `reads`: a rank, or one of the above.
// `bytes`: about how much a step moves; long steps run with the token released.
template <class Write, class Read>
Task<> in_steps(LocalGroup& local, size_t steps, size_t bytes, bool writes, int reads, Write write,
                Read read) {
  const bool large = bytes > kLargeCopy;
  for (size_t i = 0; i < steps; ++i) {
    const uint64_t k = local.next_in();
    if (writes) {
      co_await local.in_free(k);
      std::byte* slot = local.in_slot(local.rank(), k);
      co_await bulk_if(large, [&write, i, slot] { write(i, slot); });
      local.publish(LocalGroup::kPosted, k);
    }
    if (reads == kEverybody) co_await local.all(LocalGroup::kPosted, k);
    if (reads >= 0) co_await local.one(reads, LocalGroup::kPosted, k);
    if (reads != kNobody) co_await bulk_if(large, [&read, i, k] { read(i, k); });
    local.publish(LocalGroup::kConsumed, k);
  }
}

}  // namespace dlslime::local
