// Exchange: the sends and receives of one round of a collective over messages.
//
// Threads:    under the token.
// Ownership:  lives in the collective's frame; destroying it takes back what is unfinished. Buffers are the operation's.
// Errors:     all() throws the first failure.
// Invariants: between two ranks, messages match receives in posting order: rounds may overlap as long as all ranks post alike.
#pragma once
#include <deque>

#include "collective/collectives.h"
#include "message/request.h"

namespace dlslime::wire {

class Exchange {
 public:
  Exchange(Group& group, const Call& call) : channel_(group.channel()), fingerprint_(call.fingerprint()) {}

  void receive(int from, Bytes into) {
    channel_.start(receives_.emplace_back(channel_, from, kCollectiveTag, into, fingerprint_));
  }
  void send(int to, ConstBytes bytes) {
    channel_.start(sends_.emplace_back(channel_, to, kCollectiveTag, bytes, fingerprint_));
  }
  Task<> all() {
    for (RecvRequest& request : receives_) co_await request.done();
    for (SendRequest& request : sends_) co_await request.done();
    receives_.clear();
    sends_.clear();
  }

 private:
  Channel& channel_;
  const Fingerprint fingerprint_;
  std::deque<RecvRequest> receives_;
  std::deque<SendRequest> sends_;
};

// The i-th rank after (before) mine, so that not everybody talks to rank 0 first.
inline int after(const Group& group, int i) { return (group.rank() + i) % group.size(); }
inline int before(const Group& group, int i) { return (group.rank() - i + group.size()) % group.size(); }

// Folds every rank's contribution in rank order; `at(p)` says where rank p's lies.
template <class At>
void fold(const Group& group, const Reduction& reduction, Bytes to, At at) {
  std::vector<const void*> sources(size_t(group.size()));
  for (int p = 0; p < group.size(); ++p) sources[size_t(p)] = at(p);
  dlslime::reduce(reduction, to.data(), sources, to.size() / size_of(reduction.dtype));
}

// Everybody's factor, where the reduction has one; each rank knows only its own.
Task<> exchange_factors(Group& group, const Call& call, const ReduceSpec& spec, std::vector<double>& factors);

}  // namespace dlslime::wire
