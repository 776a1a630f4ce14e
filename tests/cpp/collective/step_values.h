// What ranks contribute to a step, and what a reduction of it must give, bit for bit: computed without the code under test.
//
// Threads:    pure.   Units: counts are elements; vectors hold bytes.
// Invariants: reductions combine ranks 0 .. N-1 in this order, or those of each host and then the hosts' results; bf16 and fp8 add up
//             in float and are rounded once. The values are such that another order, or a rounding more, gives other bits
//             (values_test.cc).
#pragma once
#include <cstddef>
#include <vector>

#include "collective/step.h"

namespace dlslime {

using ByteVector = std::vector<std::byte>;

ByteVector made(const Step& step, int rank, int part, size_t count);
double factor_of(const Step& step, int rank);  // PremulSum: a rank's own

// Ranks by host, as they are to be combined.
using RanksByHost = std::vector<std::vector<int>>;
RanksByHost on_one_host(int ranks);
// `host_of`: by rank; hosts come in the order of their lowest ranks.
RanksByHost ranks_by_host(const std::vector<int>& host_of);
ByteVector reduced(const Step& step, const RanksByHost& hosts, int part, size_t count);

}  // namespace dlslime
