// Broadcast: the root writes, all others read. Cost: a + S(2c), pipelined in slots; up to kInline bytes travel in the line itself.
// The root does not wait for readers, but where they pull: it runs up to kSlots steps and kCallSlots operations ahead.
#include "collective/local/local.h"
#include "collective/local/pull.h"
#include "collective/local/steps.h"

namespace dlslime::local {

Task<> broadcast(LocalGroup& local, Call call, Bytes data) {
  const uint64_t s = call.sequence;
  const bool root = local.rank() == call.root;
  const Algorithm chosen = local.group().choose(call.kind, Way::kLocal, data.size());
  const bool tiny = chosen == Algorithm::kLine, staged = chosen == Algorithm::kStaged;
  const size_t piece = LocalGroup::kSlotBytes;
  const Large large(std::min(data.size(), piece));
  const auto write = staging(data);
  uint64_t first = 0;
  if (staged) first = co_await write_ahead(local, large, root, write);
  co_await local.line_free(s);
  local.post(call, {.inline_data = root && tiny ? data : Bytes{}, .address = data.data()});
  if (!root) {
    co_await local.arrived_one(call.root, s);
    local.verify_one(call, call.root);
    if (tiny) copy(data, ConstBytes(local.posted(call.root, s).inline_data, data.size()));
  }
  if (chosen == Algorithm::kPull) {
    if (!root)
      co_await pull_one(local, call.root, local.posted(call.root, s).address, data, data.size() > kLargeCopy);
    local.done(s);
    if (root) co_await local.all(LocalGroup::kDone, s);
    co_return;
  }
  if (staged) {
    co_await in_steps(local, steps_for(data.size(), piece), large, root, root ? kNobody : call.root, write,
                      taking(local, call.root, data), first);
  }
  local.done(s);
}

}  // namespace dlslime::local
