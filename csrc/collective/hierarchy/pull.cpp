#include "collective/hierarchy/pull.h"

#include "collective/hierarchy/between.h"
#include "collective/local/pull.h"

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

// Of my stream, piece by piece, what each peer contributes beside what I do.
class Folding {
 public:
  Folding(Hierarchy& all, const Reduction& reduction, const Streams<ConstBytes>& streams, uint64_t k,
          std::byte* to)
      : local_(all.local),
        reduction_(reduction),
        blocks_(streams.blocks(all.local.rank())),
        k_(k),
        piece_(std::max<size_t>(64, piece_of(kAtOnce, local_.size()))),
        scratch_(all.pulled.get(piece_ * size_t(local_.size()))),
        to_(to) {
    for (int p = 0; p < local_.rank(); ++p) before_ += streams.blocks(p).size();
  }

  bool done() const { return block_ == blocks_.size(); }
  Status turn() {
    for (size_t bytes = 0; bytes < kBulkBytes && !done();) {
      const ConstBytes own = blocks_[block_].subspan(from_, std::min(piece_, blocks_[block_].size() - from_));
      if (Status status = read(own.size()); !status.ok()) return status;
      const auto sources = local_.sources([&](int p) { return p == local_.rank() ? own.data() : place(p); });
      reduce_partial(reduction_, to_, sources, own.size() / size_of(reduction_.dtype));
      to_ += widened(reduction_.dtype, own.size());
      bytes += own.size() * size_t(local_.size());
      from_ += own.size();
      if (from_ == blocks_[block_].size()) ++block_, from_ = 0;
    }
    return {};
  }

 private:
  static constexpr size_t kAtOnce = 256 << 10;  // of all peers together: the fold finds it in the cache

  std::byte* place(int p) const { return scratch_ + size_t(p) * piece_; }
  Status read(size_t bytes) {
    for (int p = 0; p < local_.size(); ++p) {
      if (p == local_.rank()) continue;
      const uint64_t address = addresses(local_, p, k_)[before_ + block_] + from_;
      if (Status status = local_.read_private(p, address, {place(p), bytes}); !status.ok()) return status;
    }
    return {};
  }

  LocalGroup& local_;
  const Reduction& reduction_;
  const std::vector<ConstBytes>& blocks_;
  const uint64_t k_;
  const size_t piece_;
  std::byte* const scratch_;
  std::byte* to_;
  size_t block_ = 0, from_ = 0;  // what is folded next
  size_t before_ = 0;            // blocks of streams before mine: where its addresses begin
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
  size_t sum = 0;
  for (int p = 0; p < local.size(); ++p) {
    for (const Bytes& block : streams.blocks(p)) sum += p == me ? 0 : block.size();
  }
  const bool large = sum > kLargeCopy;
  for (int i = 1; i < local.size(); ++i) {
    const int p = (me + i) % local.size();
    const uint64_t* const theirs = addresses(local, p, k);
    co_await local::pull_blocks(local, p, streams.blocks(p), large, [theirs](size_t b) { return theirs[b]; });
  }
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
    co_await local::pull_one(local, from, addresses(local, from, k)[0], data, data.size() > kLargeCopy);
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
  Folding folding(all, reduction, streams, k, to);
  while (!folding.done()) {
    Status status;
    co_await bulk([&folding, &status] { status = folding.turn(); });
    if (!status.ok()) throw Failure(status);
    co_await local.lent(-1);
  }
  local.publish(LocalGroup::kConsumed, k);
}

}  // namespace dlslime::hierarchy
