// Reduce-scatter: each slot holds one piece for every rank; a rank folds its own piece of all slots. Sizes may differ by rank.
// Cost: a + (N-1)/N S c (write) + S (read), S being the whole input.
#include "collective/local/local.h"
#include "collective/local/steps.h"

namespace dlslime::local {

Task<> reduce_scatter(LocalGroup& local, Call call, ReduceSpec spec, std::span<const ConstBytes> in,
                      Bytes out) {
  const int me = local.rank(), n = local.size();
  const size_t piece = piece_of(LocalGroup::kSlotBytes, n);
  const size_t most = largest(in), each = std::min(most, piece);
  const Large large(each * size_t(n - 1) > kLargeCopy, each * size_t(n) > kLargeFold);
  const auto write = staging_pieces(local, in, piece);
  const uint64_t first = co_await write_ahead(local, large, true, write);
  co_await local.line_free(call.sequence);
  local.post(call, {.factor = spec.factor});
  co_await local.arrived(call.sequence);
  local.verify(call);
  const Reduction reduction = local.reduction_of(spec, call.sequence);
  const auto read = [&](size_t i, uint64_t k) {
    const auto result = part(out, i, piece);
    if (result.empty()) return;
    const std::byte* own = part(in[size_t(me)], i, piece).data();
    local.fold(reduction, result.data(), result.size(),
               [&](int p) { return p == me ? own : local.in_slot(p, k) + size_t(me) * piece; });
  };
  co_await in_steps(local, steps_for(most, piece), large, true, kEverybody, write, read, first);
  local.done(call.sequence);
}

}  // namespace dlslime::local
