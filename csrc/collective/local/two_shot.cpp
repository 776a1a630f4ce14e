// Two-shot: each rank reduces its shard of every chunk, then all (or the root) take all shards.
//   staged   through the slots; a three-stage pipeline of chunks.          Cost: 2a + (2 - 1/N) S c + S (read), whatever N is
//   mapped   where every rank's vector lies where all others have mapped it, shards are read there, by who reduces them and
//            by who takes them.                                            Cost: 3a + S (read) + (1 - 1/N) S c
#include <utility>

#include "collective/local/local.h"
#include "collective/local/steps.h"

namespace dlslime::local {
namespace {

class TwoShot {
 public:
  TwoShot(LocalGroup& local, const Call& call, const ReduceSpec& spec, Scattered data, int root)
      : local_(local),
        call_(call),
        spec_(spec),
        data_(std::move(data)),
        takes_(root < 0 || root == me_),
        is_mapped_(root < 0 && !whole_.empty() && local.is_mapped(whole_)) {}

  Task<> run() {
    if (!is_mapped_) co_await write(0);
    co_await enter();
    if (count_mapped() == n_) {
      co_await reduce_mapped();
    } else {
      co_await reduce_staged();
    }
  }

 private:
  // Who has seen the line of a rank whose vector is not mapped sees its first chunk, too.
  Task<> enter() {
    const uint64_t s = call_.sequence;
    co_await local_.line_free(s);
    local_.post(call_, {.factor = spec_.factor, .address = is_mapped_ ? whole_.data() : nullptr});
    co_await local_.arrived(s);
    local_.verify(call_);
    reduction_ = local_.reduction_of(spec_, s);
  }

  int count_mapped() const {
    int count = 0;
    for (int p = 0; p < n_; ++p) count += local_.posted(p, call_.sequence).address != 0;
    return count;
  }

  // ---- staged ----

  static size_t start(size_t i) { return i * LocalGroup::kSlotBytes; }  // of a chunk
  // The part of a slot that chunk i takes.
  Bytes filled(std::byte* slot, size_t i) const {
    return {slot, std::min(LocalGroup::kSlotBytes, data_.size() - start(i))};
  }

  Task<> reduce_staged() {
    const bool all_ahead = count_mapped() == 0;
    if (is_mapped_) co_await write(0);
    if (!all_ahead) local_.publish(LocalGroup::kPosted, first_in_);
    for (size_t i = 0; i < chunks_ + 2; ++i) {
      if (i > 0 && i < chunks_) {
        co_await write(i);
        local_.publish(LocalGroup::kPosted, first_in_ + i);
      }
      if (i >= 1 && i - 1 < chunks_) {
        if (i > 1 || !all_ahead) co_await local_.all(LocalGroup::kPosted, first_in_ + i - 1);
        co_await reduce(i - 1);
      }
      if (i >= 2) co_await take(i - 2);
    }
    local_.done(call_.sequence);
  }

  // Stage 1: what the others will reduce.
  Task<> write(size_t i) {
    const uint64_t k = local_.next_in();
    if (i == 0) first_in_ = k;
    co_await local_.in_free(k);
    co_await bulk([this, i, k] {
      const Bytes slot = filled(local_.in_slot(me_, k), i);
      for (int p = 0; p < n_; ++p) {
        const Bytes theirs = shard(slot, n_, p);
        if (p != me_) data_.copy_out(start(i) + size_t(theirs.data() - slot.data()), theirs);
      }
    });
  }

  // Stage 2: my shard.
  Task<> reduce(size_t i) {
    const uint64_t k = first_in_ + i, j = local_.next_out();
    if (i == 0) first_out_ = j;
    co_await local_.out_free(j);
    co_await bulk([this, i, k, j] {
      const Bytes slot = filled(local_.out_slot(me_, j), i), out = shard(slot, n_, me_);
      const size_t before = size_t(out.data() - slot.data());
      data_.pieces(start(i) + before, out.size(), [&](Bytes mine, size_t at) {
        void* const places[] = {takes_ ? mine.data() : &out[at], &out[at]};
        local_.fold(reduction_, std::span<void* const>(places, takes_ ? 2 : 1), mine.size(),
                    [&](int p) { return p == me_ ? mine.data() : local_.in_slot(p, k) + before + at; });
      });
    });
    local_.publish(LocalGroup::kReduced, j);
    local_.publish(LocalGroup::kConsumed, k);
  }

  // Stage 3: the others' shards.
  Task<> take(size_t i) {
    const uint64_t j = first_out_ + i;
    if (takes_) {
      co_await local_.all(LocalGroup::kReduced, j);
      co_await bulk([this, i, j] {
        for (int p = 0; p < n_; ++p) {
          const Bytes slot = filled(local_.out_slot(p, j), i), theirs = shard(slot, n_, p);
          if (p != me_) data_.copy_in(start(i) + size_t(theirs.data() - slot.data()), theirs);
        }
      });
    }
    local_.publish(LocalGroup::kTaken, j);
  }

  // ---- mapped ----

  Bytes chunk(size_t i) const { return part(whole_, i, LocalGroup::kSlotBytes); }

  // A rank's shards are written by itself alone until it says that they are reduced, and read by all others then. Nobody returns
  // before all have taken what they need.
  Task<> reduce_mapped() {
    first_out_ = local_.next_out();
    for (size_t i = 1; i < chunks_; ++i) local_.next_out();
    const uint64_t last = first_out_ + chunks_ - 1;
    for (size_t i = 0; i < chunks_ + 1; ++i) {
      if (i < chunks_) {
        co_await reading([this, i] { return reduce_there(i); });
        local_.publish(LocalGroup::kReduced, first_out_ + i);
      }
      if (i >= 1) {
        co_await local_.all(LocalGroup::kReduced, first_out_ + i - 1);
        co_await reading([this, i] { return take_there(i - 1); });
      }
    }
    local_.publish(LocalGroup::kTaken, last);
    local_.done(call_.sequence);
    co_await local_.all(LocalGroup::kDone, call_.sequence);
  }

  template <class Read>
  Task<> reading(Read read) {
    Status status;
    co_await bulk([&read, &status] { status = read(); });
    if (!status.ok()) throw Failure(status);
    co_await local_.lent(-1);
  }

  Status reduce_there(size_t i) {
    const Bytes mine = shard(chunk(i), n_, me_);
    Status status;
    const auto at = [&](int p) {
      const std::byte* theirs = mine.data();
      if (p != me_ && status.ok()) status = place(p, mine, &theirs);
      return theirs;
    };
    const auto sources = local_.sources(at);
    if (status.ok()) dlslime::reduce(reduction_, mine.data(), sources, mine.size() / size_of(spec_.dtype));
    return status;
  }

  Status take_there(size_t i) {
    for (int step = 1; step < n_; ++step) {
      const int p = (me_ + step) % n_;
      const Bytes to = shard(chunk(i), n_, p);
      const std::byte* from = nullptr;
      if (Status status = place(p, to, &from); !status.ok()) return status;
      copy(to, {from, to.size()});
    }
    return {};
  }

  // Where rank `p` has the same part of its vector.
  Status place(int p, Bytes mine, const std::byte** at) const {
    const uint64_t there = local_.posted(p, call_.sequence).address;
    return local_.mapped(p, there + size_t(mine.data() - whole_.data()), mine.size(), at);
  }

  LocalGroup& local_;
  const Call call_;
  const ReduceSpec spec_;
  const Scattered data_;
  const Bytes whole_ = data_.whole();
  const int me_ = local_.rank(), n_ = local_.size();
  const bool takes_, is_mapped_;
  const size_t chunks_ = std::max<size_t>(steps_for(data_.size(), LocalGroup::kSlotBytes), 1);
  Reduction reduction_;
  uint64_t first_in_ = 0, first_out_ = 0;
};

}  // namespace

Task<> two_shot(LocalGroup& local, Call call, ReduceSpec spec, Bytes data, int root) {
  TwoShot shot(local, call, spec, Scattered(std::span(&data, 1)), root);
  co_await shot.run();
}

Task<> two_shot_together(LocalGroup& local, Call call, ReduceSpec spec, Scattered parts) {
  TwoShot shot(local, call, spec, std::move(parts), -1);
  co_await shot.run();
}

}  // namespace dlslime::local
