// All-reduce, as the plan has it:
//   line            in the line itself, up to kInline.      Cost: a + N S (read)
//   one_shot        everybody reads everybody's slot.       Cost: a + S c + N S (read)
//   two_shot        each rank reduces its shard of every chunk, then all take all shards; three-stage pipeline of
//                   chunks.                                 Cost: 2a + (2 - 1/N) S c + S (read), whatever N is
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

Task<> two_shot(LocalGroup& local, Call call, ReduceSpec spec, Bytes data, int root) {
  const uint64_t s = call.sequence;
  const int me = local.rank(), n = local.size();
  const bool takes = root < 0 || root == me;
  Reduction reduction;
  const size_t piece = LocalGroup::kSlotBytes, chunks = std::max<size_t>(steps_for(data.size(), piece), 1);
  uint64_t k0 = 0, j0 = 0;
  for (size_t i = 0; i < chunks + 2; ++i) {
    if (i < chunks) {  // stage 1: what the others will reduce
      const uint64_t k = local.next_in();
      if (i == 0) k0 = k;
      const Bytes chunk = part(data, i, piece);
      co_await local.in_free(k);
      co_await bulk([&local, chunk, k, me, n] {
        const Bytes slot{local.in_slot(me, k), chunk.size()};
        for (int p = 0; p < n; ++p) {
          if (p != me) copy(shard(slot, n, p), shard(chunk, n, p));
        }
      });
      if (i == 0) {  // who sees the line sees the first chunk
        co_await local.line_free(s);
        local.post(call, {.factor = spec.factor});
        co_await local.arrived(s);
        local.verify(call);
        reduction = local.reduction_of(spec, s);
      } else {
        local.publish(LocalGroup::kPosted, k);
      }
    }
    if (i >= 1 && i - 1 < chunks) {  // stage 2: reduce my shard
      const uint64_t k = k0 + i - 1, j = local.next_out();
      if (i == 1) j0 = j;
      const Bytes chunk = part(data, i - 1, piece);
      if (i > 1) co_await local.all(LocalGroup::kPosted, k);
      co_await local.out_free(j);
      co_await bulk([&local, &reduction, chunk, k, j, me, n, takes] {
        const Bytes mine = shard(chunk, n, me);
        const size_t at = size_t(mine.data() - chunk.data());
        const Bytes result{local.out_slot(me, j) + at, mine.size()};
        void* const places[] = {takes ? mine.data() : result.data(), result.data()};
        local.fold(reduction, std::span<void* const>(places, takes ? 2 : 1), mine.size(),
                   [&](int p) { return p == me ? mine.data() : local.in_slot(p, k) + at; });
      });
      local.publish(LocalGroup::kReduced, j);
      local.publish(LocalGroup::kConsumed, k);
    }
    if (i >= 2) {  // stage 3: take the others' shards
      const uint64_t j = j0 + i - 2;
      const Bytes chunk = part(data, i - 2, piece);
      if (takes) {
        co_await local.all(LocalGroup::kReduced, j);
        co_await bulk([&local, chunk, j, me, n] {
          for (int p = 0; p < n; ++p) {
            if (p != me) copy(shard(chunk, n, p), shard(Bytes{local.out_slot(p, j), chunk.size()}, n, p));
          }
        });
      }
      local.publish(LocalGroup::kTaken, j);
    }
  }
  local.done(s);
}

Task<> all_reduce(LocalGroup& local, Call call, ReduceSpec spec, Bytes data) {
  const Algorithm chosen = local.group().choose(call.kind, Way::kLocal, data.size());
  if (chosen == Algorithm::kLine) return all_reduce_inline(local, call, spec, data);
  if (chosen == Algorithm::kOneShot) return all_reduce_one_shot(local, call, spec, data);
  return two_shot(local, call, spec, data, -1);
}

}  // namespace dlslime::local
