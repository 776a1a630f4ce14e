// shard_pipeline: reduce a vector shard by shard (each rank its own), then pass the shards to everybody (root < 0) or to the root.
//
// Threads, Ownership, Errors, Units, Invariants: as wire.h.
#pragma once
#include "collective/collectives.h"

namespace dlslime::wire {

Task<> shard_pipeline(Group& group, Call call, ReduceSpec spec, Bytes data, int root);

}  // namespace dlslime::wire
