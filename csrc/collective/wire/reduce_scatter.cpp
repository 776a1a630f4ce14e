// Reduce-scatter: everybody sends each rank its part and folds its own, piece by piece with two pieces in flight.
// Cost: a + (N-1)/N S b + S g, S being the whole input.
#include <array>

#include "collective/wire/exchange.h"
#include "collective/wire/wire.h"

namespace dlslime::wire {
namespace {

struct Round {
  Exchange exchange;
  std::byte* incoming;
};

}  // namespace

Task<> reduce_scatter(Group& group, Call call, ReduceSpec spec, std::span<const ConstBytes> in, Bytes out) {
  std::vector<double> factors;
  co_await exchange_factors(group, call, spec, factors);
  const Reduction reduction{spec.kind, spec.dtype, group.size(), factors};
  const int n = group.size(), me = group.rank();
  const size_t chunk = group.plan().row(call.kind, Way::kWire, largest(in)).chunk;
  const size_t piece = std::max<size_t>(chunk / size_t(n) / 64 * 64, 64);
  const size_t steps = steps_for(largest(in), piece);
  std::byte* const scratch = group.scratch().get(2 * piece * size_t(n));
  std::array<Round, 2> rounds{Round{{group, call}, scratch},
                              Round{{group, call}, scratch + piece * size_t(n)}};

  const auto begin = [&](size_t step) {
    Round& round = rounds[step % 2];
    const size_t mine = part(out, step, piece).size();
    for (int i = 1; i < n; ++i) {
      const int p = before(group, i);
      round.exchange.receive(p, {round.incoming + size_t(p) * piece, mine});
    }
    for (int i = 1; i < n; ++i)
      round.exchange.send(after(group, i), part(in[size_t(after(group, i))], step, piece));
  };
  if (steps == 0) co_await barrier(group, call);  // nothing to add up, but the call is still compared
  if (steps) begin(0);
  for (size_t step = 0; step < steps; ++step) {
    if (step + 1 < steps) begin(step + 1);
    Round& round = rounds[step % 2];
    co_await round.exchange.all();
    const Bytes result = part(out, step, piece);
    const std::byte* const own = part(in[size_t(me)], step, piece).data();
    co_await bulk([&group, &reduction, &round, result, own, me, piece] {
      if (!result.empty()) {
        fold(group, reduction, result,
             [&](int p) { return p == me ? own : round.incoming + size_t(p) * piece; });
      }
    });
  }
}

}  // namespace dlslime::wire
