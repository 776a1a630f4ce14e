#include "collective/hierarchy/pull.h"

#include "collective/hierarchy/between.h"

namespace dlslime::hierarchy {
namespace {

uint64_t address_of(ConstBytes block) { return reinterpret_cast<uintptr_t>(block.data()); }

// Addresses in a slot, one after the other.
class Addresses {
 public:
  explicit Addresses(std::byte* slot) : at_(reinterpret_cast<uint64_t*>(slot)) {}
  template <class Span>
  void add(const std::vector<Span>& blocks) {
    for (const Span& block : blocks) *at_++ = address_of(block);
  }

 private:
  uint64_t* at_;
};
const uint64_t* addresses(const LocalGroup& local, int who, uint64_t k) {
  return reinterpret_cast<const uint64_t*>(local.in_slot(who, k));
}

void check(const Status& status) {
  if (!status.ok()) throw Failure(status);
}

// Of my stream, piece by piece, what each peer contributes beside what I do.
class Folding {
 public:
  Folding(Hierarchy& all, const Reduction& reduction, const Streams<ConstBytes>& streams, uint64_t k)
      : all_(all),
        local_(all.local),
        reduction_(reduction),
        streams_(streams),
        k_(k),
        piece_(std::max<size_t>(64, piece_of(kAtOnce, local_.size()))),
        scratch_(all.pulled.get(piece_ * size_t(local_.size()))) {
    for (int p = 0; p < local_.rank(); ++p) before_ += streams.blocks(p).size();
  }

  Status run(std::byte* to) {
    const auto& blocks = streams_.blocks(local_.rank());
    for (size_t b = 0; b < blocks.size(); ++b) {
      for (size_t i = 0; i < steps_for(blocks[b].size(), piece_); ++i) {
        const ConstBytes own = part(blocks[b], i, piece_);
        if (Status status = read(b, i * piece_, own.size()); !status.ok()) return status;
        const auto sources =
            local_.sources([&](int p) { return p == local_.rank() ? own.data() : place(p); });
        reduce_partial(reduction_, to, sources, own.size() / size_of(reduction_.dtype));
        to += widened(reduction_.dtype, own.size());
      }
    }
    return {};
  }

 private:
  static constexpr size_t kAtOnce = 256 << 10;  // of all peers together: the fold finds it in the cache

  std::byte* place(int p) const { return scratch_ + size_t(p) * piece_; }
  Status read(size_t block, size_t offset, size_t bytes) {
    for (int p = 0; p < local_.size(); ++p) {
      if (p == local_.rank()) continue;
      const uint64_t address = addresses(local_, p, k_)[before_ + block] + offset;
      if (Status status = all_.read(p, address, {place(p), bytes}); !status.ok()) return status;
    }
    return {};
  }

  Hierarchy& all_;
  LocalGroup& local_;
  const Reduction& reduction_;
  const Streams<ConstBytes>& streams_;
  const uint64_t k_;
  const size_t piece_;
  std::byte* const scratch_;
  size_t before_ = 0;  // blocks of streams before mine: where its addresses begin
};

}  // namespace

bool pulls(const Hierarchy& all, CollectiveKind like, size_t bytes) {
  return all.group.choose(like, Way::kLocal, bytes) == Algorithm::kPull;
}

Task<> share_by_pull(Hierarchy& all, const Streams<Bytes>& streams) {
  LocalGroup& local = all.local;
  const int me = local.rank();
  const uint64_t k = all.lent_until = local.next_in();
  co_await local.in_free(k);
  Addresses(local.in_slot(me, k)).add(streams.blocks(me));
  local.publish(LocalGroup::kPosted, k);
  co_await local.all(LocalGroup::kPosted, k);
  Status status;
  co_await bulk([&all, &local, &streams, &status, me, k] {
    for (int i = 1; i < local.size() && status.ok(); ++i) {
      const int p = (me + i) % local.size();
      const auto& blocks = streams.blocks(p);
      for (size_t b = 0; b < blocks.size() && status.ok(); ++b)
        status = all.read(p, addresses(local, p, k)[b], blocks[b]);
    }
  });
  check(status);
  co_await local.lent(-1);
  local.publish(LocalGroup::kConsumed, k);
}

Task<> give_by_pull(Hierarchy& all, int from, Bytes data) {
  LocalGroup& local = all.local;
  const uint64_t k = local.next_in();
  if (local.rank() == from) {
    all.lent_until = k;
    co_await local.in_free(k);
    *reinterpret_cast<uint64_t*>(local.in_slot(from, k)) = address_of(data);
    local.publish(LocalGroup::kPosted, k);
  } else {
    co_await local.one(from, LocalGroup::kPosted, k);
    Status status;
    co_await bulk([&all, &local, &status, data, from, k] {
      status = all.read(from, addresses(local, from, k)[0], data);
    });
    check(status);
    co_await local.lent(from);
  }
  local.publish(LocalGroup::kConsumed, k);
}

Task<> fold_by_pull(Hierarchy& all, const Reduction& reduction, const Streams<ConstBytes>& streams,
                    std::byte* to) {
  LocalGroup& local = all.local;
  const uint64_t k = all.lent_until = local.next_in();
  co_await local.in_free(k);
  Addresses mine(local.in_slot(local.rank(), k));
  for (int p = 0; p < local.size(); ++p) mine.add(streams.blocks(p));
  local.publish(LocalGroup::kPosted, k);
  co_await local.all(LocalGroup::kPosted, k);
  Folding folding(all, reduction, streams, k);
  Status status;
  co_await bulk([&folding, &status, to] { status = folding.run(to); });
  check(status);
  co_await local.lent(-1);
  local.publish(LocalGroup::kConsumed, k);
}

}  // namespace dlslime::hierarchy
