// Barrier: dissemination (Hensgen, Finkel, Manber 1988): in round i everybody tells the rank 2^i after it. Cost: ceil(log2 N) a.
#include "collective/wire/exchange.h"
#include "collective/wire/wire.h"

namespace dlslime::wire {

Task<> barrier(Group& group, Call call) {
  for (int distance = 1; distance < group.size(); distance *= 2) {
    Exchange round(group, call);
    round.receive(before(group, distance), {});
    round.send(after(group, distance), {});
    co_await round.all();
  }
}

}  // namespace dlslime::wire
