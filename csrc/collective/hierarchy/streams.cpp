#include "collective/hierarchy/streams.h"

#include <utility>

#include "collective/hierarchy/pull.h"

namespace dlslime::hierarchy {
namespace {

// One where nothing is to be moved: that a rank has come so far tells the others what it has heard from other hosts.
size_t steps_at_least_one(size_t total, size_t piece) { return std::max<size_t>(1, steps_for(total, piece)); }

Task<> share_by_slots(LocalGroup& local, const Streams<Bytes>& streams) {
  const int me = local.rank(), n = local.size();
  const size_t piece = LocalGroup::kSlotBytes, longest = streams.longest();
  const auto write = [&](size_t i, std::byte* slot) {
    streams.each(me, i, piece, [&](Bytes block, size_t at) { copy({slot + at, block.size()}, block); });
  };
  const auto read = [&](size_t i, uint64_t k) {
    for (int p = 0; p < n; ++p) {
      if (p == me) continue;
      streams.each(p, i, piece,
                   [&](Bytes block, size_t at) { copy(block, {local.in_slot(p, k) + at, block.size()}); });
    }
  };
  co_await local::in_steps(local, steps_at_least_one(longest, piece),
                           local::Large(std::min(longest, piece) * size_t(n)), true, local::kEverybody, write,
                           read);
}

Task<> give_by_slots(LocalGroup& local, int from, Bytes data) {
  const size_t piece = LocalGroup::kSlotBytes;
  const bool gives = local.rank() == from;
  co_await local::in_steps(local, steps_at_least_one(data.size(), piece),
                           local::Large(std::min(data.size(), piece)), gives, gives ? local::kNobody : from,
                           local::staging(data), local::taking(local, from, data));
}

Task<> fold_by_slots(LocalGroup& local, const Reduction& reduction, const Streams<ConstBytes>& streams,
                     std::byte* to) {
  const int me = local.rank(), n = local.size();
  const size_t piece = piece_of(LocalGroup::kSlotBytes, n), longest = streams.longest();
  const size_t element = size_of(reduction.dtype), wide = size_of(accumulator_of(reduction.dtype));
  const auto write = [&](size_t i, std::byte* slot) {
    for (int p = 0; p < n; ++p) {
      if (p == me) continue;
      streams.each(p, i, piece, [&](ConstBytes block, size_t at) {
        copy({slot + size_t(p) * piece + at, block.size()}, block);
      });
    }
  };
  const auto read = [&](size_t i, uint64_t k) {
    streams.each(me, i, piece, [&](ConstBytes own, size_t at) {
      const auto sources = local.sources(
          [&](int p) { return p == me ? own.data() : local.in_slot(p, k) + size_t(me) * piece + at; });
      std::byte* const result = to + (i * piece + at) / element * wide;
      reduce_partial(reduction, result, sources, own.size() / element);
    });
  };
  co_await local::in_steps(local, steps_for(longest, piece),
                           local::Large(std::min(longest, piece) * size_t(n)), true, local::kEverybody, write,
                           read);
}

}  // namespace

Task<> meet(LocalGroup& local, const Call& call, double factor) {
  co_await local.line_free(call.sequence);
  local.post(call, {.factor = factor});
  co_await local.arrived(call.sequence);
  local.verify(call);
}

Task<> share(Hierarchy& all, const Streams<Bytes>& streams) {
  if (all.local.size() == 1) co_return;
  if (pulls(all, CollectiveKind::kAllGather, streams.longest()))
    co_await share_by_pull(all, streams);
  else
    co_await share_by_slots(all.local, streams);
}

Task<> give(Hierarchy& all, int from, Bytes data) {
  if (all.local.size() == 1) co_return;
  if (pulls(all, CollectiveKind::kBroadcast, data.size()))
    co_await give_by_pull(all, from, data);
  else
    co_await give_by_slots(all.local, from, data);
}

Task<> fold(Hierarchy& all, const Reduction& reduction, const Streams<ConstBytes>& streams, std::byte* to) {
  if (all.local.size() > 1 && pulls(all, CollectiveKind::kAllGather, streams.longest()))
    co_await fold_by_pull(all, reduction, streams, to);
  else
    co_await fold_by_slots(all.local, reduction, streams, to);
}

Task<> settle(Hierarchy& all) {
  if (!all.lent_until) co_return;
  co_await all.local.all(LocalGroup::kConsumed, std::exchange(all.lent_until, 0));
}

}  // namespace dlslime::hierarchy
