// Broadcast: the root writes, all others read. Cost: a + S(2c), pipelined in slots; up to kInline bytes travel in the line itself.
// The root does not wait for readers: it runs up to kSlots steps and kCallSlots operations ahead.
#include "collective/local/local.h"
#include "collective/local/steps.h"

namespace dlslime::local {

Task<> broadcast(LocalGroup& local, Call call, Bytes data) {
  const uint64_t s = call.sequence;
  const bool root = local.rank() == call.root;
  const bool tiny = local.group().choose(call.kind, Way::kLocal, data.size()) == Algorithm::kLine;
  co_await local.line_free(s);
  local.post(call, 0, 1, root && tiny ? data : Bytes{});
  if (!root) {
    co_await local.arrived_one(call.root, s);
    local.verify_one(call, call.root);
    if (tiny) copy(data, ConstBytes(local.posted(call.root, s).inline_data, data.size()));
  }
  if (!tiny) {
    const size_t piece = LocalGroup::kSlotBytes;
    const auto write = [&](size_t i, std::byte* slot) {
      const auto mine = part(data, i, piece);
      copy({slot, mine.size()}, mine);
    };
    const auto read = [&](size_t i, uint64_t k) {
      const auto mine = part(data, i, piece);
      copy(mine, {local.in_slot(call.root, k), mine.size()});
    };
    co_await in_steps(local, steps_for(data.size(), piece), std::min(data.size(), piece), root,
                      root ? kNobody : call.root, write, read);
  }
  local.done(s);
}

}  // namespace dlslime::local
