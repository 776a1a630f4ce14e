// The collectives over shared pages. `call` has been begun; buffers as in collectives.h; at least two ranks.
//
// Threads:    under the token; bulk work without it.
// Ownership:  buffers are the operation's; others may read them until it ends (Group::take_back).
// Errors:     thrown Failures, as LocalGroup has them. One ends the group.
// Units:      bytes.
// Invariants: ranks are folded in rank order, whichever algorithm runs.
//
// Cost notes use S bytes, N ranks, a = one published word seen by others, c = copying a byte through the cache.
#pragma once
#include "collective/collectives.h"
#include "collective/local/local_group.h"
#include "collective/scattered.h"

namespace dlslime::local {

Task<> barrier(LocalGroup& local, Call call);
Task<> broadcast(LocalGroup& local, Call call, Bytes data);
Task<> all_reduce(LocalGroup& local, Call call, ReduceSpec spec, Bytes data);
Task<> reduce(LocalGroup& local, Call call, ReduceSpec spec, Bytes data);
Task<> all_gather(LocalGroup& local, Call call, ConstBytes in, std::span<const Bytes> out);
Task<> gather(LocalGroup& local, Call call, ConstBytes in, std::span<const Bytes> out);
Task<> scatter(LocalGroup& local, Call call, std::span<const ConstBytes> in, Bytes out);
Task<> reduce_scatter(LocalGroup& local, Call call, ReduceSpec spec, std::span<const ConstBytes> in,
                      Bytes out);
Task<> all_to_all(LocalGroup& local, Call call, std::span<const ConstBytes> in, std::span<const Bytes> out);

// Reduce-scatter into out-slots, then everybody (root < 0) or the root takes them: two_shot.cpp.
Task<> two_shot(LocalGroup& local, Call call, ReduceSpec spec, Bytes data, int root);
// The same of several buffers as if they were one vector.
Task<> two_shot_together(LocalGroup& local, Call call, ReduceSpec spec, Scattered parts);

}  // namespace dlslime::local
