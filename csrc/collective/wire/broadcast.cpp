// Broadcast: small vectors go down a binomial tree, cost ceil(log2 N) (a + S b); large ones are cut into a shard per rank, which the
// root hands out and everybody passes on to all others, cost 2a + 2 (N-1)/N S b (van de Geijn).
#include "collective/wire/exchange.h"
#include "collective/wire/wire.h"

namespace dlslime::wire {
namespace {

Task<> tree(Group& group, Call call, Bytes data) {
  const int n = group.size(), me = (group.rank() - call.root + n) % n;  // relative to the root
  const auto rank_of = [&](int relative) { return (relative + call.root) % n; };
  int mask = 1;
  while (mask < n && !(me & mask)) mask *= 2;
  if (me) {
    Exchange up(group, call);
    up.receive(rank_of(me - mask), data);
    co_await up.all();
  }
  Exchange down(group, call);
  for (mask /= 2; mask > 0; mask /= 2) {
    if (me + mask < n) down.send(rank_of(me + mask), data);
  }
  co_await down.all();
}

Task<> spread(Group& group, Call call, Bytes data) {
  const int n = group.size(), me = group.rank();
  const bool root = me == call.root;
  Exchange first(group, call), second(group, call);
  if (!root) first.receive(call.root, shard(data, n, me));
  for (int i = 1; i < n; ++i) {
    const int p = before(group, i);
    if (!root) second.receive(p, shard(data, n, p));
  }
  for (int i = 1; root && i < n; ++i) {
    const int p = after(group, i);
    first.send(p, shard(data, n, p));
  }
  if (!root) co_await first.all();
  for (int i = 1; i < n; ++i) {
    const int p = after(group, i);
    if (p != call.root) second.send(p, shard(data, n, me));
  }
  if (root) co_await first.all();
  co_await second.all();
}

}  // namespace

Task<> broadcast(Group& group, Call call, Bytes data) {
  const bool down = group.choose(call.kind, Way::kWire, data.size()) == Algorithm::kTree;
  return down || group.size() == 2 ? tree(group, call, data) : spread(group, call, data);
}

}  // namespace dlslime::wire
