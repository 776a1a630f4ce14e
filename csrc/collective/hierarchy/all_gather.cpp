// All-gather: every rank sends its own to one rank of each other host, and the ranks of a host share what came with their own;
// chunk by chunk, the next one on its way between the hosts while one is shared. Sizes may differ.
// Cost: 2a + m + (H-1) S b + N/L S c (write) + N S c (read).
#include <array>

#include "collective/copy_own.h"
#include "collective/hierarchy/between.h"
#include "collective/hierarchy/streams.h"

namespace dlslime::hierarchy {
namespace {

// Every rank of the group, and the place that serves it on this host: its own, or that of whoever it sends to here.
template <class Visit>
void each_rank(const Hosts& hosts, Visit visit) {
  for (int host = 0; host < hosts.count(); ++host) {
    const auto& ranks = hosts.ranks[size_t(host)];
    for (size_t place = 0; place < ranks.size(); ++place)
      visit(ranks[place], int(place % hosts.here().size()), host == hosts.mine);
  }
}

}  // namespace

Task<> all_gather(Hierarchy& all, Call call, ConstBytes in, std::span<const Bytes> out) {
  const Hosts& hosts = all.hosts;
  const size_t piece = all.group.plan().row(call.kind, Way::kHosts, largest(out)).chunk;
  const size_t chunks = std::max<size_t>(1, steps_for(largest(out), piece));
  std::array<wire::Exchange, 2> rounds{wire::Exchange{all.group, call}, wire::Exchange{all.group, call}};
  const auto begin = [&](size_t i) {
    wire::Exchange& round = rounds[i % 2];
    each_rank(hosts, [&](int rank, int served_by, bool here) {
      if (!here && served_by == hosts.place) round.receive(rank, part(out[size_t(rank)], i, piece));
    });
    for (int h = 1; h < hosts.count(); ++h)
      round.send(hosts.at(after(hosts, h), hosts.place), part(in, i, piece));
  };
  begin(0);
  co_await meet(all.local, call);
  co_await copy_beside(out[size_t(all.group.rank())], in);
  for (size_t i = 0; i < chunks; ++i) {
    if (i + 1 < chunks) begin(i + 1);
    co_await rounds[i % 2].all();
    Streams<Bytes> streams(all.local.size());
    each_rank(hosts, [&](int rank, int served_by, bool) {
      streams.add(served_by, part(out[size_t(rank)], i, piece));
    });
    co_await share(all, streams);
  }
  co_await settle(all);
}

}  // namespace dlslime::hierarchy
