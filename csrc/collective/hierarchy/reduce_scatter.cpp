// Reduce-scatter: the ranks of a host fold their own parts and those of the other hosts' ranks, each some of them, send these partial
// results to their owners, and merge what comes for their own; chunk by chunk, one between the hosts while the next is folded.
// Cost: 2a + m + S c + S/L g inside, (H-1)/N S b between, S being the whole input.
#include "collective/hierarchy/between.h"
#include "collective/hierarchy/streams.h"

namespace dlslime::hierarchy {
namespace {

struct Round {
  wire::Exchange exchange;
  // This host's partial results of the parts that I fold, one after the other, my own part first; the other hosts', of my own part.
  std::byte *own, *incoming;
};

class Scatter {
 public:
  Scatter(Hierarchy& all, const Call& call, const ReduceSpec& spec, std::span<const ConstBytes> in, Bytes out)
      : all_(all),
        hosts_(all.hosts),
        reduction_(all.local.reduction_of(spec, call.sequence)),
        in_(in),
        out_(out) {
    reduction_.divisor = all.group.size();
    const size_t chunk = all.group.plan().row(call.kind, Way::kHosts, largest(in)).chunk;
    const size_t folded = most_folded();
    piece_ = std::max<size_t>(chunk / folded / 64 * 64, 64);
    const size_t wide = hierarchy::widened(spec.dtype, piece_);
    const size_t own = folded * wide, incoming = size_t(hosts_.count()) * wide;
    std::byte* const scratch = all.group.scratch().get(2 * (own + incoming));
    for (size_t i = 0; i < 2; ++i) {
      std::byte* const at = scratch + i * (own + incoming);
      rounds_.push_back({{all.group, call}, at, at + own});
    }
  }

  size_t steps() const { return std::max<size_t>(1, steps_for(largest(in_), piece_)); }

  Task<> begin(size_t i) {
    Round& round = rounds_[i % 2];
    for (int h = 1; h < hosts_.count(); ++h) {
      const int host = before(hosts_, h);
      round.exchange.receive(hosts_.at(host, hosts_.place),
                             {incoming(round, host), widened(part(out_, i, piece_))});
    }
    Streams<ConstBytes> streams(all_.local.size());
    each_folded([&](int folded_by, int rank) { streams.add(folded_by, part(in_[size_t(rank)], i, piece_)); });
    co_await fold(all_, reduction_, streams, round.own);
    const std::byte* at = round.own;
    each_folded([&](int folded_by, int rank) {
      if (folded_by != hosts_.place) return;
      const size_t bytes = widened(part(in_[size_t(rank)], i, piece_));
      if (rank != all_.group.rank()) round.exchange.send(rank, {at, bytes});
      at += bytes;
    });
  }
  Task<> finish(size_t i) {
    Round& round = rounds_[i % 2];
    co_await round.exchange.all();
    const Bytes result = part(out_, i, piece_);
    co_await bulk_if(result.size() > kLargeCopy, [this, &round, result] {
      merge(hosts_, reduction_, result,
            [&](int host) { return host == hosts_.mine ? round.own : incoming(round, host); });
    });
  }

 private:
  // Which place of this host folds whose part: its own ranks' first, then each other host's in turn, starting with the next one.
  template <class Visit>
  void each_folded(Visit visit) const {
    for (int h = 0; h < hosts_.count(); ++h) {
      const auto& ranks = hosts_.ranks[size_t(after(hosts_, h))];
      for (size_t place = 0; place < ranks.size(); ++place)
        visit(int(place % hosts_.here().size()), ranks[place]);
    }
  }
  // The most parts that any rank of any host folds, so that all cut alike: a rank of the smallest host.
  size_t most_folded() const {
    size_t smallest = SIZE_MAX, folded = 0;
    for (const auto& host : hosts_.ranks) smallest = std::min(smallest, host.size());
    for (const auto& host : hosts_.ranks) folded += (host.size() + smallest - 1) / smallest;
    return folded;
  }
  size_t widened(ConstBytes bytes) const { return hierarchy::widened(reduction_.dtype, bytes.size()); }
  std::byte* incoming(const Round& round, int host) const {
    return round.incoming + size_t(host) * hierarchy::widened(reduction_.dtype, piece_);
  }

  Hierarchy& all_;
  const Hosts& hosts_;
  Reduction reduction_;
  const std::span<const ConstBytes> in_;
  const Bytes out_;
  size_t piece_ = 0;
  std::deque<Round> rounds_;
};

}  // namespace

Task<> reduce_scatter(Hierarchy& all, Call call, ReduceSpec spec, std::span<const ConstBytes> in, Bytes out) {
  co_await meet(all.local, call, spec.factor);
  Scatter scatter(all, call, spec, in, out);
  for (size_t i = 0; i < scatter.steps() + 1; ++i) {
    if (i < scatter.steps()) co_await scatter.begin(i);
    if (i >= 1) co_await scatter.finish(i - 1);
  }
  co_await settle(all);
}

}  // namespace dlslime::hierarchy
