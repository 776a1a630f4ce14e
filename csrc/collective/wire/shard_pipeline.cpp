#include "collective/wire/shard_pipeline.h"

#include <array>

#include "collective/wire/exchange.h"

namespace dlslime::wire {
namespace {

// One chunk on its way: everybody's copy of my shard comes in, theirs go out; then the reduced shards travel.
struct Stage {
  Exchange scatter, gather;
  Bytes chunk;
  std::byte* incoming;
};

class Pipeline {
 public:
  Pipeline(Group& group, const Call& call, Bytes data, int root, size_t chunk, std::byte* scratch)
      : group_(group),
        data_(data),
        root_(root),
        size_(chunk),
        stages_{Stage{{group, call}, {group, call}, {}, scratch},
                Stage{{group, call}, {group, call}, {}, scratch + incoming_bytes(group, chunk)}} {}

  static size_t incoming_bytes(const Group& group, size_t chunk) {
    return most_in_shard(chunk, group.size()) * size_t(group.size());
  }
  // An empty vector is one chunk: the calls are still compared.
  size_t chunks() const { return std::max<size_t>(steps_for(data_.size(), size_), 1); }
  Stage& stage(size_t i) { return stages_[i % 2]; }
  std::byte* contribution(Stage& stage, int p) const {
    return stage.incoming + size_t(p) * most_in_shard(size_, group_.size());
  }

  void begin(size_t i) {
    Stage& stage = this->stage(i);
    stage.chunk = part(data_, i, size_);
    const size_t mine = own(stage).size();
    for (int d = 1; d < group_.size(); ++d) {
      const int p = before(group_, d);
      stage.scatter.receive(p, {contribution(stage, p), mine});
    }
    for (int d = 1; d < group_.size(); ++d) {
      const int p = after(group_, d);
      stage.scatter.send(p, shard(stage.chunk, group_.size(), p));
    }
  }
  Bytes own(Stage& stage) const { return shard(stage.chunk, group_.size(), group_.rank()); }
  void pass_on(Stage& stage, ConstBytes reduced) {
    const bool takes = root_ < 0 || root_ == group_.rank();
    for (int d = 1; takes && d < group_.size(); ++d) {
      const int p = before(group_, d);
      stage.gather.receive(p, shard(stage.chunk, group_.size(), p));
    }
    for (int d = 1; d < group_.size(); ++d) {
      const int p = after(group_, d);
      if (root_ < 0 || p == root_) stage.gather.send(p, reduced);
    }
  }

 private:
  Group& group_;
  const Bytes data_;
  const int root_;
  const size_t size_;
  std::array<Stage, 2> stages_;
};

}  // namespace

Task<> shard_pipeline(Group& group, Call call, ReduceSpec spec, Bytes data, int root) {
  std::vector<double> factors;
  co_await exchange_factors(group, call, spec, factors);
  const Reduction reduction{spec.kind, spec.dtype, group.size(), factors};
  const int me = group.rank();
  const bool takes = root < 0 || root == me;
  const size_t chunk = group.plan().row(call.kind, Way::kWire, data.size()).chunk;
  std::byte* const scratch = group.scratch().get(2 * Pipeline::incoming_bytes(group, chunk));
  Pipeline pipeline(group, call, data, root, chunk, scratch);
  const size_t chunks = pipeline.chunks();
  pipeline.begin(0);
  for (size_t i = 0; i < chunks; ++i) {
    if (i + 1 < chunks) {
      co_await pipeline.stage(i + 1).gather.all();  // chunk i - 1, which used the same memory
      pipeline.begin(i + 1);
    }
    Stage& stage = pipeline.stage(i);
    co_await stage.scatter.all();
    const Bytes own = pipeline.own(stage);
    // A rank that keeps its input (a reduce elsewhere than at the root) folds into scratch.
    const Bytes reduced = takes ? own : Bytes{pipeline.contribution(stage, me), own.size()};
    co_await bulk([&group, &reduction, &pipeline, &stage, own, reduced, me] {
      fold(group, reduction, reduced,
           [&](int p) { return p == me ? own.data() : pipeline.contribution(stage, p); });
    });
    pipeline.pass_on(stage, reduced);
  }
  co_await pipeline.stage(0).gather.all();
  co_await pipeline.stage(1).gather.all();
}

}  // namespace dlslime::wire
