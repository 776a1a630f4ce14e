// All-gather and gather: everybody writes its own, readers copy all others'. Sizes may differ. Cost: a + S c (write) + N S c (read).
#include "collective/copy_own.h"
#include "collective/local/local.h"
#include "collective/local/pull.h"
#include "collective/local/steps.h"

namespace dlslime::local {
namespace {

Task<> collect(LocalGroup& local, Call call, size_t most, ConstBytes in, std::span<const Bytes> out,
               bool writes, bool reads) {
  const size_t piece = LocalGroup::kSlotBytes;
  const auto write = staging(in);
  const auto read = [&](size_t i, uint64_t k) {
    for (int p = 0; p < local.size(); ++p) {
      if (p == local.rank()) continue;
      const auto theirs = part(out[size_t(p)], i, piece);
      copy(theirs, {local.in_slot(p, k), theirs.size()});
    }
  };
  const uint64_t s = call.sequence;
  const bool pulled = pulls(local, call, most);
  const size_t each = std::min(most, piece), others = size_t(local.size() - 1);
  const Large large(each > kLargeCopy, each * others > kLargeCopy);
  uint64_t first = 0;
  if (!pulled) first = co_await write_ahead(local, large, writes, write);
  co_await local.line_free(s);
  local.post(call, {.address = in.data()});
  if (reads) {
    co_await copy_own(out[size_t(local.rank())], in);
    co_await local.arrived(s);
    local.verify(call);
  }
  if (pulled) {
    if (reads) co_await pull_all(local, out, [&local, s](int who) { return local.posted(who, s).address; });
    local.done(s);
    if (writes) co_await local.all(LocalGroup::kDone, s);
    co_return;
  }
  co_await in_steps(local, steps_for(most, piece), large, writes, reads ? kEverybody : kNobody, write, read,
                    first);
  local.done(s);
}

}  // namespace

Task<> all_gather(LocalGroup& local, Call call, ConstBytes in, std::span<const Bytes> out) {
  return collect(local, call, largest(out), in, out, true, true);
}

Task<> gather(LocalGroup& local, Call call, ConstBytes in, std::span<const Bytes> out) {
  const bool root = local.rank() == call.root;
  return collect(local, call, in.size(), in, out, !root, root);
}

}  // namespace dlslime::local
