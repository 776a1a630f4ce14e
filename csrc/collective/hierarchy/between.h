// What hosts exchange: partial results, merged in the order of the hosts, and who talks to whom.
//
// Threads:    under the token; merge() without it.
// Ownership:  keeps nothing.   Errors: none.   Units: bytes.
// Invariants: every rank finds the same ranks in the same places; hosts are merged in their order, whoever does it.
#pragma once
#include <vector>

#include "collective/hierarchy/hierarchy.h"
#include "collective/wire/exchange.h"

namespace dlslime::hierarchy {

// Small things every rank hears from one rank of each other host, that of its own place, and tells these: the ranks of `host` that
// listen to this one.
std::vector<int> listeners(const Hosts& hosts, int host);

// The order in which this host talks to the others, so that not everybody talks to host 0 first.
inline int after(const Hosts& hosts, int i) { return (hosts.mine + i) % hosts.count(); }
inline int before(const Hosts& hosts, int i) { return (hosts.mine - i + hosts.count()) % hosts.count(); }

// Bytes that `bytes` of dtype take as partial results.
inline size_t widened(DType dtype, size_t bytes) {
  return bytes / size_of(dtype) * size_of(accumulator_of(dtype));
}

// Merges the partial results of all hosts, in order, and finishes them. `at(host)` says where a host's lie; those of this host are
// overwritten.
template <class At>
void merge(const Hosts& hosts, const Reduction& reduction, Bytes to, At at) {
  constexpr size_t kElements = 4096;  // both passes find them in the cache
  const size_t element = size_of(reduction.dtype), wide = size_of(accumulator_of(reduction.dtype));
  const size_t count = to.size() / element;
  std::vector<const void*> sources(static_cast<size_t>(hosts.count()));
  for (size_t from = 0; from < count; from += kElements) {
    const size_t some = std::min(kElements, count - from);
    for (int host = 0; host < hosts.count(); ++host) sources[size_t(host)] = at(host) + from * wide;
    std::byte* const merged = at(hosts.mine) + from * wide;
    merge_partial(reduction, merged, sources, some);
    finish_partial(reduction, to.data() + from * element, merged, some);
  }
}

}  // namespace dlslime::hierarchy
