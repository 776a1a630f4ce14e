// What ranks contribute to a step, and what a reduction of it must give, bit for bit: computed without the code under test.
//
// Threads:    pure.   Units: counts are elements; vectors hold bytes.
// Invariants: reductions combine ranks 0 .. N-1 in this order; bf16 adds up in float and is rounded once. The values are such that
//             another order, or a rounding more, gives other bits (values_test.cc).
#pragma once
#include <cstddef>
#include <vector>

#include "collective/step.h"

namespace dlslime {

using ByteVector = std::vector<std::byte>;

ByteVector made(const Step& step, int rank, int part, size_t count);
double factor_of(const Step& step, int rank);  // PremulSum: a rank's own

// `order`: the ranks as they are to be combined.
ByteVector reduced(const Step& step, const std::vector<int>& order, int part, size_t count);
ByteVector reduced(const Step& step, int ranks, int part, size_t count);

}  // namespace dlslime
