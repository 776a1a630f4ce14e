// The collectives over messages. `call` has been begun; buffers as in collectives.h; at least two ranks.
//
// Threads:    under the token; bulk work without it.
// Ownership:  buffers are the operation's and stay until it ends, as all messages of it have by then.
// Errors:     thrown Failures: a message's, or a mismatch. One ends the group.
// Units:      bytes.
// Invariants: partial results are folded in an order that ranks and plan alone decide.
//
// Cost notes use S bytes, N ranks, a = one message, b = one byte through the network, g = one byte reduced.
#pragma once
#include "collective/collectives.h"

namespace dlslime::wire {

Task<> barrier(Group& group, Call call);
Task<> broadcast(Group& group, Call call, Bytes data);
Task<> all_reduce(Group& group, Call call, ReduceSpec spec, Bytes data);
Task<> reduce(Group& group, Call call, ReduceSpec spec, Bytes data);
Task<> all_gather(Group& group, Call call, ConstBytes in, std::span<const Bytes> out);
Task<> gather(Group& group, Call call, ConstBytes in, std::span<const Bytes> out);
Task<> scatter(Group& group, Call call, std::span<const ConstBytes> in, Bytes out);
Task<> reduce_scatter(Group& group, Call call, ReduceSpec spec, std::span<const ConstBytes> in, Bytes out);
Task<> all_to_all(Group& group, Call call, std::span<const ConstBytes> in, std::span<const Bytes> out);

}  // namespace dlslime::wire
