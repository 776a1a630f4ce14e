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

Task<> scatter(Group& group, Call call, std::span<const ConstBytes> in, Bytes out) {
  Exchange round(group, call);
  if (group.rank() != call.root) {
    round.receive(call.root, out);
  } else {
    for (int i = 1; i < group.size(); ++i) round.send(after(group, i), in[size_t(after(group, i))]);
    co_await copy_beside(out, in[size_t(group.rank())]);
  }
  co_await round.all();
}

Task<> all_to_all(Group& group, Call call, std::span<const ConstBytes> in, std::span<const Bytes> out) {
  Exchange round(group, call);
  for (int i = 1; i < group.size(); ++i) round.receive(before(group, i), out[size_t(before(group, i))]);
  for (int i = 1; i < group.size(); ++i) round.send(after(group, i), in[size_t(after(group, i))]);
  co_await copy_beside(out[size_t(group.rank())], in[size_t(group.rank())]);
  co_await round.all();
}

}  // namespace dlslime::wire
