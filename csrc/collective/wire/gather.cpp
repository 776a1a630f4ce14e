// All-gather, gather, scatter, all-to-all: every byte goes straight from its owner to its reader, once. Cost: a + (bytes in or out) b.
#include "collective/copy_own.h"
#include "collective/wire/exchange.h"
#include "collective/wire/wire.h"

namespace dlslime::wire {

Task<> all_gather(Group& group, Call call, ConstBytes in, std::span<const Bytes> out) {
  Exchange round(group, call);
  for (int i = 1; i < group.size(); ++i) round.receive(before(group, i), out[size_t(before(group, i))]);
  for (int i = 1; i < group.size(); ++i) round.send(after(group, i), in);
  co_await copy_beside(out[size_t(group.rank())], in);
  co_await round.all();
}

Task<> gather(Group& group, Call call, ConstBytes in, std::span<const Bytes> out) {
  Exchange round(group, call);
  if (group.rank() != call.root) {
    round.send(call.root, in);
  } else {
    for (int i = 1; i < group.size(); ++i) round.receive(before(group, i), out[size_t(before(group, i))]);
    co_await copy_beside(out[size_t(group.rank())], in);
  }
  co_await round.all();
}

namespace {

Task<> take(Group& group, Call call, Bytes out) {
  Exchange round(group, call);
  round.receive(call.root, out);
  co_await round.all();
}

// Large parts leave one after the other, with a share of the own part's copy beside each: the root's link is as busy as with all of
// them at once, and where the ranks share a host only two of them need its cores.
Task<> hand_out(Group& group, Call call, std::span<const ConstBytes> in, Bytes out) {
  Exchange round(group, call);
  const int others = group.size() - 1;
  const bool large = largest(in) > kEagerLimit;
  const size_t share = out.size() / size_t(others) + 1;
  for (int i = 1; i <= others; ++i) {
    round.send(after(group, i), in[size_t(after(group, i))]);
    co_await copy_beside(part(out, size_t(i - 1), share),
                         part(in[size_t(group.rank())], size_t(i - 1), share));
    if (large) co_await round.all();
  }
  co_await round.all();
}

}  // namespace

Task<> scatter(Group& group, Call call, std::span<const ConstBytes> in, Bytes out) {
  if (group.rank() == call.root) return hand_out(group, call, in, out);
  return take(group, call, out);
}

Task<> all_to_all(Group& group, Call call, std::span<const ConstBytes> in, std::span<const Bytes> out) {
  Exchange round(group, call);
  for (int i = 1; i < group.size(); ++i) round.receive(before(group, i), out[size_t(before(group, i))]);
  for (int i = 1; i < group.size(); ++i) round.send(after(group, i), in[size_t(after(group, i))]);
  co_await copy_beside(out[size_t(group.rank())], in[size_t(group.rank())]);
  co_await round.all();
}

}  // namespace dlslime::wire
