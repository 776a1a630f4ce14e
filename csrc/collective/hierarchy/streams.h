// Streams: what each rank of a host hands to the others, or reduces for them: blocks of the caller's buffers, one after the other, as
// if they were one vector. share(), give() and fold() are the steps inside a host: they move streams through the slots, or each rank
// reads them where they lie, as the plan has it for all_gather (give: broadcast) on one host.
//
// Threads:    under the token (bulk copies without it).
// Ownership:  blocks are the operation's buffers; others may read them until settle() has been awaited.
// Errors:     as LocalGroup's waits; kPeerDied and the like where a peer's memory can't be read.
// Units:      bytes.
// Invariants: every rank of the host takes part with streams of the same lengths; all have arrived and been verified.
#pragma once
#include <vector>

#include "collective/hierarchy/hierarchy.h"
#include "collective/local/steps.h"

namespace dlslime::hierarchy {

template <class Span>
class Streams {
 public:
  explicit Streams(int ranks) : blocks_(size_t(ranks)) {}

  void add(int who, Span block) { blocks_[size_t(who)].push_back(block); }
  size_t bytes(int who) const {
    size_t sum = 0;
    for (const Span& block : blocks_[size_t(who)]) sum += block.size();
    return sum;
  }
  const std::vector<Span>& blocks(int who) const { return blocks_[size_t(who)]; }
  size_t longest() const {
    size_t most = 0;
    for (size_t who = 0; who < blocks_.size(); ++who) most = std::max(most, bytes(int(who)));
    return most;
  }
  // Of the stream's step i, every part that lies in one block, and where in the step: visit(part, at).
  template <class Visit>
  void each(int who, size_t i, size_t piece, Visit visit) const {
    size_t from = 0;  // where the block begins in the stream
    for (const Span& block : blocks_[size_t(who)]) {
      const size_t begin = std::max(from, i * piece), end = std::min(from + block.size(), (i + 1) * piece);
      if (begin < end) visit(block.subspan(begin - from, end - begin), begin - i * piece);
      from += block.size();
    }
  }

 private:
  std::vector<std::vector<Span>> blocks_;  // by place
};

// Enters the operation and compares what everybody on this host has called.
Task<> meet(LocalGroup& local, const Call& call, double factor = 1);

// Every rank's stream reaches all others of the host. Cost: 2a + (stream) c (write) + (all others') c (read).
Task<> share(Hierarchy& all, const Streams<Bytes>& streams);
// One rank's bytes reach all others of the host; it does not wait for them.
Task<> give(Hierarchy& all, int from, Bytes data);
// Every rank folds what all of the host contribute to its stream, in rank order, into `to`, of the accumulator's type.
Task<> fold(Hierarchy& all, const Reduction& reduction, const Streams<ConstBytes>& streams, std::byte* to);
// Before a call ends: nobody on this host reads this rank's buffers any more.
Task<> settle(Hierarchy& all);

}  // namespace dlslime::hierarchy
