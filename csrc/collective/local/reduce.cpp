// Reduce: small vectors are folded by the root; large ones by everybody, shard by shard, and taken by the root (two_shot).
// Cost: small a + S c (root: N S read); large 3a + ~2 S c + S (read).
#include "collective/local/local.h"
#include "collective/local/steps.h"

namespace dlslime::local {
namespace {

Task<> reduce_at_root(LocalGroup& local, Call call, ReduceSpec spec, Bytes data) {
  const uint64_t s = call.sequence;
  const bool root = local.rank() == call.root;
  const uint64_t k = co_await write_ahead(local, Large(data.size()), !root, staging(data));
  co_await local.line_free(s);
  local.post(call, {.factor = spec.factor});
  if (root) {
    co_await local.arrived(s);
    local.verify(call);
    const Reduction reduction = local.reduction_of(spec, s);
    const bool large = data.size() * size_t(local.size()) > kLargeFold;
    co_await bulk_if(large, [&local, &call, &reduction, data, k] {
      local.fold(reduction, data.data(), data.size(),
                 [&](int p) { return p == call.root ? data.data() : local.in_slot(p, k); });
    });
  }
  local.publish(LocalGroup::kConsumed, k);
  local.done(s);
}

}  // namespace

Task<> reduce(LocalGroup& local, Call call, ReduceSpec spec, Bytes data) {
  if (local.group().choose(call.kind, Way::kLocal, data.size()) == Algorithm::kAtRoot)
    return reduce_at_root(local, call, spec, data);
  return two_shot(local, call, spec, data, call.root);
}

}  // namespace dlslime::local
