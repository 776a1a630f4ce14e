// Scatter: each of the root's slots holds one piece for every rank. Cost: a + N S c (root) + S c.
#include "collective/copy_own.h"
#include "collective/local/local.h"
#include "collective/local/pull.h"
#include "collective/local/steps.h"

namespace dlslime::local {

Task<> scatter(LocalGroup& local, Call call, std::span<const ConstBytes> in, Bytes out) {
  const int me = local.rank(), n = local.size();
  const bool root = me == call.root;
  const size_t piece = piece_of(LocalGroup::kSlotBytes, n);
  const auto write = staging_pieces(local, in, piece);
  const auto read = [&](size_t i, uint64_t k) {
    const auto mine = part(out, i, piece);
    copy(mine, {local.in_slot(call.root, k) + size_t(me) * piece, mine.size()});
  };
  const uint64_t s = call.sequence;
  const bool pulled = pulls(local, call, out.size());
  const size_t each = std::min(out.size(), piece), others = size_t(n - 1);
  const Large large(each * others > kLargeCopy, each > kLargeCopy);
  uint64_t first = 0;
  if (!pulled) first = co_await write_ahead(local, large, root, write);
  co_await local.line_free(s);
  if (root) local.show_parts(in, s);
  local.post(call);
  if (root) {
    co_await copy_own(out, in[size_t(me)]);
  } else {
    co_await local.arrived_one(call.root, s);
    local.verify_one(call, call.root);
  }
  if (pulled) {
    if (!root)
      co_await pull_one(local, call.root, local.table(call.root, s)[size_t(me)].address, out,
                        out.size() > kLargeCopy);
    local.done(s);
    if (root) co_await local.all(LocalGroup::kDone, s);
    co_return;
  }
  co_await in_steps(local, steps_for(out.size(), piece), large, root, root ? kNobody : call.root, write, read,
                    first);
  local.done(s);
}

}  // namespace dlslime::local
