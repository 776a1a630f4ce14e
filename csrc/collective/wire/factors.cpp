#include "collective/wire/exchange.h"

namespace dlslime::wire {

Task<> exchange_factors(Group& group, const Call& call, const ReduceSpec& spec,
                        std::vector<double>& factors) {
  if (spec.kind != ReduceKind::PremulSum) co_return;
  factors.assign(size_t(group.size()), spec.factor);
  Exchange round(group, call);
  for (int p = 0; p < group.size(); ++p) {
    if (p != group.rank()) round.receive(p, std::as_writable_bytes(std::span(&factors[size_t(p)], 1)));
  }
  for (int p = 0; p < group.size(); ++p) {
    if (p != group.rank()) round.send(p, std::as_bytes(std::span(&factors[size_t(group.rank())], 1)));
  }
  co_await round.all();
}

}  // namespace dlslime::wire
