// All-reduce: small vectors go whole from everybody to everybody, cost a + (N-1) S (b + g); large ones are reduced shard by shard
// and the shards passed on, chunk by chunk with two chunks in flight, cost per chunk 2a + 2 (N-1)/N S b + S g.
// Both fold in rank order, so that all ranks get the same bits.
#include "collective/wire/exchange.h"
#include "collective/wire/shard_pipeline.h"
#include "collective/wire/wire.h"

namespace dlslime::wire {
namespace {

Task<> direct(Group& group, Call call, ReduceSpec spec, Bytes data) {
  std::vector<double> factors;
  co_await exchange_factors(group, call, spec, factors);
  const int n = group.size(), me = group.rank();
  std::byte* const scratch = group.scratch().get(data.size() * size_t(n));
  const auto place = [&](int p) { return scratch + size_t(p) * data.size(); };
  Exchange round(group, call);
  for (int i = 1; i < n; ++i) round.receive(before(group, i), {place(before(group, i)), data.size()});
  for (int i = 1; i < n; ++i) round.send(after(group, i), data);
  co_await round.all();
  fold(group, Reduction{spec.kind, spec.dtype, n, factors}, data,
       [&](int p) { return p == me ? data.data() : place(p); });
}

}  // namespace

Task<> all_reduce(Group& group, Call call, ReduceSpec spec, Bytes data) {
  if (group.choose(call.kind, Way::kWire, data.size()) == Algorithm::kDirect)
    return direct(group, call, spec, data);
  return shard_pipeline(group, call, spec, data, -1);
}

}  // namespace dlslime::wire
