// Scatter: each of the root's slots holds one piece for every rank. Cost: 2a + N S c (root) + S c.
#include "collective/copy_own.h"
#include "collective/local/local.h"
#include "collective/local/steps.h"

namespace dlslime::local {

Task<> scatter(LocalGroup& local, Call call, std::span<const ConstBytes> in, Bytes out) {
  const int me = local.rank(), n = local.size();
  const bool root = me == call.root;
  const size_t piece = piece_of(LocalGroup::kSlotBytes, n);
  const auto write = [&](size_t i, std::byte* slot) {
    for (int p = 0; p < n; ++p) {
      const auto theirs = part(in[size_t(p)], i, piece);
      if (p != me) copy({slot + size_t(p) * piece, theirs.size()}, theirs);
    }
  };
  const auto read = [&](size_t i, uint64_t k) {
    const auto mine = part(out, i, piece);
    copy(mine, {local.in_slot(call.root, k) + size_t(me) * piece, mine.size()});
  };
  co_await local.line_free(call.sequence);
  local.post(call);
  if (root) {
    co_await copy_own(out, in[size_t(me)]);
  } else {
    co_await local.arrived_one(call.root, call.sequence);
    local.verify_one(call, call.root);
  }
  co_await in_steps(local, steps_for(out.size(), piece), std::min(out.size(), piece) * size_t(n), root,
                    root ? kNobody : call.root, write, read);
  local.done(call.sequence);
}

}  // namespace dlslime::local
