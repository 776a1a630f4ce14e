// The collectives of a group whose ranks sit on several hosts: shared pages inside each host, messages between them. `call` has
// been begun; buffers as in collectives.h; at least two hosts, of which at least one has several ranks.
//
// Threads:    under the token; bulk work without it.
// Ownership:  the group owns its Hierarchy, which owns the pages; the buffers are the operation's, and other ranks of the host may
//             read them until it ends.
// Errors:     thrown Failures, as LocalGroup and wire::Exchange have them. One ends the group, and with it this.
// Units:      bytes.
// Invariants: a reduction folds the ranks of each host in rank order, then these partial results, in the accumulator's type, in the
//             order of the hosts: the same bits on all ranks, whatever the size and the timing.
//
// Cost notes use S bytes, N ranks, H hosts, L ranks on each, m = one message, b = one byte through the network, a = one published
// word seen by others, c = copying a byte through the cache.
#pragma once
#include <memory>

#include "collective/collectives.h"
#include "collective/hosts.h"
#include "collective/local/local_group.h"

namespace dlslime {

class Hierarchy {
 public:
  // `pages`: those of this host's ranks; null where it has only this one.
  Hierarchy(Group& group, Hosts shape, std::unique_ptr<SharedPages> pages);

  Group& group;
  const Hosts hosts;

 private:
  const std::unique_ptr<SharedPages> pages_;

 public:
  LocalGroup local;
  Scratch pulled{group};  // what was read of others, on its way into a reduction
  // The in-step until which this host's ranks read this one's buffers; 0: they don't. Of the collective that runs.
  uint64_t lent_until = 0;
};

namespace hierarchy {

Task<> barrier(Hierarchy& all, Call call);
Task<> broadcast(Hierarchy& all, Call call, Bytes data);
Task<> all_reduce(Hierarchy& all, Call call, ReduceSpec spec, Bytes data);
Task<> all_gather(Hierarchy& all, Call call, ConstBytes in, std::span<const Bytes> out);
Task<> reduce_scatter(Hierarchy& all, Call call, ReduceSpec spec, std::span<const ConstBytes> in, Bytes out);
Task<> all_to_all(Hierarchy& all, Call call, std::span<const ConstBytes> in, std::span<const Bytes> out);

}  // namespace hierarchy
}  // namespace dlslime
