// Reduce: small vectors go whole to the root, cost a + (N-1) S (b + g) at the root; large ones are reduced by everybody, shard by
// shard, and collected by the root, cost per chunk 2a + 2 (N-1)/N S b + S g.
#include "collective/wire/exchange.h"
#include "collective/wire/shard_pipeline.h"
#include "collective/wire/wire.h"

namespace dlslime::wire {
namespace {

Task<> direct(Group& group, Call call, ReduceSpec spec, Bytes data) {
  std::vector<double> factors;
  co_await exchange_factors(group, call, spec, factors);
  const int n = group.size(), me = group.rank();
  Exchange round(group, call);
  if (me != call.root) {
    round.send(call.root, data);
    co_await round.all();
    co_return;
  }
  std::byte* const scratch = group.scratch().get(data.size() * size_t(n));
  const auto place = [&](int p) { return scratch + size_t(p) * data.size(); };
  for (int i = 1; i < n; ++i) round.receive(before(group, i), {place(before(group, i)), data.size()});
  co_await round.all();
  fold(group, Reduction{spec.kind, spec.dtype, n, factors}, data,
       [&](int p) { return p == me ? data.data() : place(p); });
}

}  // namespace

Task<> reduce(Group& group, Call call, ReduceSpec spec, Bytes data) {
  if (group.choose(call.kind, Way::kWire, data.size()) == Algorithm::kDirect)
    return direct(group, call, spec, data);
  return shard_pipeline(group, call, spec, data, call.root);
}

}  // namespace dlslime::wire
