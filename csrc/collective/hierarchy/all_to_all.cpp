// All-to-all: what stays on the host goes through shared pages, the rest straight to its reader by message, both at once.
// Cost: that of local::all_to_all for the parts of this host; m + (bytes out or in, whichever is more) b for the others.
#include "collective/copy_own.h"
#include "collective/hierarchy/between.h"
#include "collective/local/local.h"

namespace dlslime::hierarchy {

Task<> all_to_all(Hierarchy& all, Call call, std::span<const ConstBytes> in, std::span<const Bytes> out) {
  const Hosts& hosts = all.hosts;
  wire::Exchange round(all.group, call);
  std::vector<ConstBytes> in_here;
  std::vector<Bytes> out_here;
  for (int rank : hosts.here()) {
    in_here.push_back(in[size_t(rank)]);
    out_here.push_back(out[size_t(rank)]);
  }
  for (int h = 1; h < hosts.count(); ++h) {
    for (int rank : hosts.ranks[size_t(before(hosts, h))]) round.receive(rank, out[size_t(rank)]);
  }
  for (int h = 1; h < hosts.count(); ++h) {
    for (int rank : hosts.ranks[size_t(after(hosts, h))]) round.send(rank, in[size_t(rank)]);
  }
  // Not the own part, which would be copied in one go there.
  in_here[size_t(hosts.place)] = {};
  out_here[size_t(hosts.place)] = {};
  co_await local::all_to_all(all.local, call, in_here, out_here);
  co_await copy_beside(out[size_t(all.group.rank())], in[size_t(all.group.rank())]);
  co_await round.all();
}

}  // namespace dlslime::hierarchy
