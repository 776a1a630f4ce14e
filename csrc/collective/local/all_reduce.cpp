// All-reduce, as the plan has it:
//   line            in the line itself, up to kInline.      Cost: a + N S (read)
//   one_shot        everybody reads everybody's slot.       Cost: a + S c + N S (read)
//   two_shot        two_shot.cpp
#include "collective/local/local.h"
#include "collective/local/steps.h"

namespace dlslime::local {
namespace {

Task<> all_reduce_inline(LocalGroup& local, Call call, ReduceSpec spec, Bytes data) {
  const uint64_t s = call.sequence;
  co_await local.line_free(s);
  local.post(call, {.factor = spec.factor, .inline_data = data});
  co_await local.arrived(s);
  local.verify(call);
  local.fold(local.reduction_of(spec, s), data.data(), data.size(),
             [&](int p) { return local.posted(p, s).inline_data; });
  local.done(s);
}

Task<> all_reduce_one_shot(LocalGroup& local, Call call, ReduceSpec spec, Bytes data) {
  const uint64_t s = call.sequence;
  const uint64_t k = co_await write_ahead(local, Large(data.size()), true, staging(data));
  co_await local.line_free(s);
  local.post(call, {.factor = spec.factor});
  co_await local.arrived(s);
  local.verify(call);
  const Reduction reduction = local.reduction_of(spec, s);
  const bool large = data.size() * size_t(local.size()) > kLargeFold;
  co_await bulk_if(large, [&local, &reduction, data, k] {
    local.fold(reduction, data.data(), data.size(), [&](int p) { return local.in_slot(p, k); });
  });
  local.publish(LocalGroup::kConsumed, k);
  local.done(s);
}

}  // namespace

Task<> all_reduce(LocalGroup& local, Call call, ReduceSpec spec, Bytes data) {
  const Algorithm chosen = local.group().choose(call.kind, Way::kLocal, data.size());
  if (chosen == Algorithm::kLine) return all_reduce_inline(local, call, spec, data);
  if (chosen == Algorithm::kOneShot) return all_reduce_one_shot(local, call, spec, data);
  return two_shot(local, call, spec, data, -1);
}

}  // namespace dlslime::local
