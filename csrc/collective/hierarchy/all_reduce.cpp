// All-reduce, as the plan has it:
//   direct           everybody folds what its host contributes, gets the result of each other host from one of its ranks, and merges.
//                    Cost: 2a + S c + m + (H-1) S b
//   shards           chunk by chunk: each rank folds its shard of the chunk over its host; the ranks of the same shard, one per
//                    host, merge a part of it each and exchange the results; the host's ranks take each other's shards. Two
//                    chunks are between the hosts while a third is inside. Cost per chunk: 4a + 2m, in all 2 S c + 2 (H-1)/H S/L b
#include "collective/hierarchy/between.h"
#include "collective/hierarchy/streams.h"

namespace dlslime::hierarchy {
namespace {

Reduction reduction_of(Hierarchy& all, const ReduceSpec& spec, const Call& call) {
  Reduction reduction = all.local.reduction_of(spec, call.sequence);
  reduction.divisor = all.group.size();
  return reduction;
}

// Everybody folds everything.
Task<> fold_whole(LocalGroup& local, const Reduction& reduction, ConstBytes data, std::byte* to) {
  const int me = local.rank();
  const size_t piece = LocalGroup::kSlotBytes;
  const auto read = [&](size_t i, uint64_t k) {
    const ConstBytes mine = part(data, i, piece);
    const auto sources = local.sources([&](int p) { return p == me ? mine.data() : local.in_slot(p, k); });
    reduce_partial(reduction, to + widened(reduction.dtype, i * piece), sources,
                   mine.size() / size_of(reduction.dtype));
  };
  co_await local::in_steps(local, steps_for(data.size(), piece),
                           local::Large(std::min(data.size(), piece) * size_t(local.size())), true,
                           local::kEverybody, local::staging(local.size() > 1 ? data : ConstBytes()), read);
}

Task<> small(Hierarchy& all, Call call, ReduceSpec spec, Bytes data) {
  const Hosts& hosts = all.hosts;
  co_await meet(all.local, call, spec.factor);
  const Reduction reduction = reduction_of(all, spec, call);
  const size_t each = widened(spec.dtype, data.size());
  std::byte* const scratch = all.group.scratch().get(each * size_t(hosts.count()));
  const auto place = [&](int host) { return scratch + size_t(host) * each; };
  wire::Exchange round(all.group, call);
  for (int i = 1; i < hosts.count(); ++i) {
    const int host = before(hosts, i);
    round.receive(hosts.at(host, hosts.place), {place(host), each});
  }
  co_await fold_whole(all.local, reduction, data, place(hosts.mine));
  for (int i = 1; i < hosts.count(); ++i) {
    for (int rank : listeners(hosts, after(hosts, i))) round.send(rank, {place(hosts.mine), each});
  }
  co_await round.all();
  co_await bulk_if(each * size_t(hosts.count()) > kLargeFold,
                   [&hosts, &reduction, data, &place] { merge(hosts, reduction, data, place); });
}

// One chunk on its way.
struct Stage {
  wire::Exchange partials, results;
  Bytes chunk;
  std::byte* own;       // this host's partial results of my columns, one after the other
  std::byte* incoming;  // the other hosts', of my part of each column
};

class Pipeline {
 public:
  Pipeline(Hierarchy& all, const Call& call, const Reduction& reduction, Bytes data)
      : all_(all),
        hosts_(all.hosts),
        reduction_(reduction),
        data_(data),
        size_(std::clamp<size_t>(data.size(), 64,
                                 all.group.plan().row(call.kind, Way::kHosts, data.size()).chunk)),
        columns_(hosts_.columns()) {
    const size_t mine = (size_t(columns_) + hosts_.here().size() - 1) / hosts_.here().size();
    const size_t column = most_in_shard(size_, columns_);
    own_bytes_ = widened(reduction.dtype, mine * column);
    part_bytes_ = widened(reduction.dtype, most_in_shard(column, hosts_.count()));
    const size_t stage = own_bytes_ + mine * size_t(hosts_.count()) * part_bytes_;
    std::byte* at = all.group.scratch().get(kStages * stage);
    for (int i = 0; i < kStages; ++i, at += stage)
      stages_.push_back({{all.group, call}, {all.group, call}, {}, at, at + own_bytes_});
  }

  // An empty vector is one chunk: every host still hears of every other one.
  size_t chunks() const { return std::max<size_t>(1, steps_for(data_.size(), size_)); }

  // Inside the host, then on to the others.
  Task<> begin(size_t i) {
    Stage& stage = this->stage(i);
    stage.chunk = part(data_, i, size_);
    for_my_parts([&](int column, int host) {
      if (host != hosts_.mine)
        stage.partials.receive(hosts_.at(host, column),
                               {incoming(stage, column, host), mine_bytes(stage, column)});
    });
    Streams<ConstBytes> streams(all_.local.size());
    for (int column = 0; column < columns_; ++column)
      streams.add(column % all_.local.size(), shard(ConstBytes(stage.chunk), columns_, column));
    co_await fold(all_, reduction_, streams, stage.own);
    for_my_parts([&](int column, int host) {
      const Bytes part = part_of(stage, column, host);
      if (host != hosts_.mine)
        stage.partials.send(hosts_.at(host, column),
                            {partial(stage, column, part), widened(reduction_.dtype, part.size())});
    });
  }
  // What the other hosts have sent becomes the result of my part, which they get.
  Task<> finish(size_t i) {
    Stage& stage = this->stage(i);
    for_my_parts([&](int column, int host) {
      if (host != hosts_.mine) stage.results.receive(hosts_.at(host, column), part_of(stage, column, host));
    });
    co_await stage.partials.all();
    co_await bulk([this, &stage] {
      for (int column = all_.local.rank(); column < columns_; column += all_.local.size()) {
        const Bytes part = part_of(stage, column, hosts_.mine);
        merge(hosts_, reduction_, part, [&](int host) {
          return host == hosts_.mine ? partial(stage, column, part) : incoming(stage, column, host);
        });
      }
    });
    for_my_parts([&](int column, int host) {
      if (host != hosts_.mine)
        stage.results.send(hosts_.at(host, column), part_of(stage, column, hosts_.mine));
    });
  }
  // To the others of this host.
  Task<> pass_on(size_t i) {
    Stage& stage = this->stage(i);
    co_await stage.results.all();
    Streams<Bytes> streams(all_.local.size());
    for (int column = 0; column < columns_; ++column)
      streams.add(column % all_.local.size(), shard(stage.chunk, columns_, column));
    co_await share(all_, streams);
  }

 private:
  static constexpr int kStages = 3;

  Stage& stage(size_t i) { return stages_[i % kStages]; }
  template <class Do>
  void for_my_parts(Do act) {
    for (int column = all_.local.rank(); column < columns_; column += all_.local.size()) {
      for (int i = 0; i < hosts_.count(); ++i) act(column, after(hosts_, i));
    }
  }
  Bytes part_of(const Stage& stage, int column, int host) const {
    return shard(shard(stage.chunk, columns_, column), hosts_.count(), host);
  }
  size_t mine_bytes(const Stage& stage, int column) const {
    return widened(reduction_.dtype, part_of(stage, column, hosts_.mine).size());
  }
  // Where the stream has it: my columns before this one, then what lies before `part` in it.
  std::byte* partial(const Stage& stage, int column, Bytes part) const {
    size_t before = size_t(part.data() - shard(stage.chunk, columns_, column).data());
    for (int c = all_.local.rank(); c < column; c += all_.local.size())
      before += shard(stage.chunk, columns_, c).size();
    return stage.own + widened(reduction_.dtype, before);
  }
  std::byte* incoming(const Stage& stage, int column, int host) const {
    const auto column_here = size_t(column / all_.local.size());
    const size_t slot = column_here * size_t(hosts_.count()) + size_t(host);
    return stage.incoming + slot * part_bytes_;
  }

  Hierarchy& all_;
  const Hosts& hosts_;
  const Reduction reduction_;
  const Bytes data_;
  const size_t size_;
  const int columns_;
  size_t own_bytes_ = 0, part_bytes_ = 0;
  std::deque<Stage> stages_;
};

Task<> large(Hierarchy& all, Call call, ReduceSpec spec, Bytes data) {
  co_await meet(all.local, call, spec.factor);
  Pipeline pipeline(all, call, reduction_of(all, spec, call), data);
  const size_t chunks = pipeline.chunks();
  for (size_t i = 0; i < chunks + 2; ++i) {
    if (i < chunks) co_await pipeline.begin(i);
    if (i >= 1 && i - 1 < chunks) co_await pipeline.finish(i - 1);
    if (i >= 2) co_await pipeline.pass_on(i - 2);
  }
  co_await settle(all);
}

}  // namespace

Task<> all_reduce(Hierarchy& all, Call call, ReduceSpec spec, Bytes data) {
  if (all.group.choose(call.kind, Way::kHosts, data.size()) == Algorithm::kDirect)
    return small(all, call, spec, data);
  return large(all, call, spec, data);
}

}  // namespace dlslime::hierarchy
