// pull: the steps inside a host, where each rank reads the others' buffers as they lie. A rank's slot holds the addresses.
//
// Threads, ownership, errors, invariants: as streams.h, whose functions choose between these and the slots.
#pragma once
#include "collective/hierarchy/streams.h"

namespace dlslime::hierarchy {

// Does the plan have a step of so many bytes that way?
bool pulls(const Hierarchy& all, CollectiveKind like, size_t bytes);

Task<> share_by_pull(Hierarchy& all, const Streams<Bytes>& streams);
Task<> give_by_pull(Hierarchy& all, int from, Bytes data);
Task<> fold_by_pull(Hierarchy& all, const Reduction& reduction, const Streams<ConstBytes>& streams,
                    std::byte* to);

}  // namespace dlslime::hierarchy
