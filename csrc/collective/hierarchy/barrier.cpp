// Barrier: everybody waits for all of its host, then dissemination between the hosts (Hensgen, Finkel, Manber 1988): in round i each
// host tells the one 2^i after it. Cost: a + ceil(log2 H) m.
#include "collective/hierarchy/between.h"
#include "collective/hierarchy/streams.h"

namespace dlslime::hierarchy {

Task<> barrier(Hierarchy& all, Call call) {
  co_await meet(all.local, call);
  for (int distance = 1; distance < all.hosts.count(); distance *= 2) {
    wire::Exchange round(all.group, call);
    round.receive(all.hosts.at(before(all.hosts, distance), all.hosts.place), {});
    for (int rank : listeners(all.hosts, after(all.hosts, distance))) round.send(rank, {});
    co_await round.all();
  }
}

}  // namespace dlslime::hierarchy
