// All-to-all: each slot holds one piece for every rank. Sizes may differ; everybody shows what it sends to whom before bytes move,
// which also tells how many steps there are. Cost: a + S c (write) + S c (read).
#include "collective/copy_own.h"
#include "collective/local/local.h"
#include "collective/local/pull.h"
#include "collective/local/steps.h"

namespace dlslime::local {
namespace {

void verify_sizes(LocalGroup& local, const Call& call, std::span<const Bytes> out) {
  for (int p = 0; p < local.size(); ++p) {
    const uint64_t sends = local.table(p, call.sequence)[size_t(local.rank())].bytes;
    if (sends == out[size_t(p)].size()) continue;
    const int from = local.group_rank(p), to = local.group_rank(local.rank());
    throw Failure(Status(Code::kMismatch, "rank " + std::to_string(from) + " sends " + std::to_string(sends) +
                                              " bytes to rank " + std::to_string(to) + ", which expects " +
                                              std::to_string(out[size_t(p)].size()) + " in " +
                                              call.describe())
                      .at_peer(from));
  }
}

uint64_t largest_sent(std::span<const ConstBytes> in, int me) {
  return std::max(largest(in.first(size_t(me))), largest(in.subspan(size_t(me) + 1)));
}

struct Sizes {
  uint64_t most = 0;      // of any rank to any other
  bool all_ahead = true;  // everybody has written its first step
};

Sizes sizes(LocalGroup& local, const Call& call) {
  Sizes all;
  for (int p = 0; p < local.size(); ++p) {
    const uint64_t theirs = local.posted(p, call.sequence).extent;
    all.most = std::max(all.most, theirs);
    all.all_ahead &= !pulls(local, call, theirs);
  }
  return all;
}

Task<> pull_parts(LocalGroup& local, uint64_t s, std::span<const Bytes> out) {
  co_await pull_all(local, out,
                    [&local, s](int who) { return local.table(who, s)[size_t(local.rank())].address; });
  local.done(s);
  co_await local.all(LocalGroup::kDone, s);
}

}  // namespace

Task<> all_to_all(LocalGroup& local, Call call, std::span<const ConstBytes> in, std::span<const Bytes> out) {
  const int me = local.rank(), n = local.size();
  const uint64_t s = call.sequence;
  const size_t piece = piece_of(LocalGroup::kSlotBytes, n);
  const auto write = staging_pieces(local, in, piece);
  const uint64_t mine = largest_sent(in, me);
  const Large ahead(std::min<size_t>(mine, piece) * size_t(n - 1));
  uint64_t first = co_await write_ahead(local, ahead, !pulls(local, call, mine), write);
  co_await local.line_free(s);
  local.show_parts(in, s);
  local.post(call, {.extent = mine});
  co_await copy_own(out[size_t(me)], in[size_t(me)]);
  co_await local.arrived(s);
  local.verify(call);
  verify_sizes(local, call, out);
  const auto [most, all_ahead] = sizes(local, call);
  const bool pulled = pulls(local, call, most);
  if (pulled || !all_ahead) local.publish(LocalGroup::kConsumed, std::exchange(first, 0));
  if (pulled) {
    co_await pull_parts(local, s, out);
    co_return;
  }
  const auto read = [&](size_t i, uint64_t k) {
    for (int p = 0; p < n; ++p) {
      const auto theirs = part(out[size_t(p)], i, piece);
      if (p != me) copy(theirs, {local.in_slot(p, k) + size_t(me) * piece, theirs.size()});
    }
  };
  const Large large(std::min<size_t>(most, piece) * size_t(n - 1));
  co_await in_steps(local, steps_for(most, piece), large, true, kEverybody, write, read, first);
  local.done(s);
}

}  // namespace dlslime::local
