// Element-wise reduction of host memory, vectorised for the CPU at hand: out[i] = finish(s0[i] op s1[i] ...).
//
// Threads:    every function may run on any number of threads at once, also on pieces of one array. None
//             blocks, allocates, locks or makes a system call. Stack: <= 24 KiB.
// Ownership:  nothing is kept after a call returns. Sources are only read.
// Errors:     std::invalid_argument for a caller's mistake: !meaningful(kind, dtype), or no sources.
//             Data never fails.
// Units:      counts are elements, not bytes. Buffers need no alignment, not even their element's.
// Aliasing:   the output may be exactly one of the inputs (same address, same element size) or disjoint.
//
// Invariants:
//   1. Sources are combined in the order given, left to right; no multiply and add are fused.
//   2. The result is bit-identical on every instruction set, for every split, position and alignment.
//   3. F16, BF16 and fp8 accumulate in F32 and are rounded once, to nearest even, when finished:
//      reduce() is reduce_partial() then finish_partial(). Merging partials of several sources each is one
//      rounding more, of the accumulator, and another order of the sum: (a + b) + (c + d).
//   4. Every NaN written is its type's one canonical quiet NaN, positive where the type has signs for it.
//   5. The calling thread rounds to nearest, the default. Its flush-to-zero mode applies to F32 and F64.
//
// Operators:
//   Sum, Product  integers wrap modulo 2^n
//   Avg           the sum divided by `divisor`; integers: the wrapped sum, truncated toward zero
//   Min, Max      NaN in any source gives NaN; -0 is below +0, so the order of sources does not matter
//   PremulSum     the sum of factors[k] * source[k]. A rank knows only its own factor, so the ranks' factors
//                 travel with the operation. A factor is converted to the accumulator type (integers:
//                 truncated toward zero, modulo 2^n), the product rounded to it, then the sum
//   on bool       read as x != 0, written as 0 or 1. Sum, Max, BitOr: or. Product, Min, BitAnd: and
//   on complex    Sum, Avg, PremulSum (real factors), component by component
//
// Overflow: F16, BF16 and F8E5M2 become infinity; F8E4M3FN saturates at +-448, from infinity too; the FNUZ
// types become their NaN, and have no -0. The same as torch's casts (2.13).
#pragma once

#include <cstddef>
#include <span>

#include "reduce/dtype.h"

namespace dlslime {

struct Reduction {
  ReduceKind kind;
  DType dtype;
  int divisor = 1;                    // Avg: the group's size, >= 1 (less is taken as 1)
  std::span<const double> factors{};  // PremulSum: one per source; a missing one is 1
};

// dst = finish(all sources). One pass over memory for any number of sources.
void reduce(const Reduction& op, void* dst, std::span<const void* const> sources, size_t count);
// The same into several places: block by block, while the result is in the first-level cache. The first may be one of the sources,
// the others are disjoint from all.
void reduce(const Reduction& op, std::span<void* const> dsts, std::span<const void* const> sources,
            size_t count);

// The pieces, for partial results that travel between hosts as accumulator_of(dtype).
// acc = fold of sources, not finished (PremulSum: factors applied, one per source).
void reduce_partial(const Reduction& op, void* acc, std::span<const void* const> sources, size_t count);

// acc = fold of partial results, in order. No factors and no division.
void merge_partial(const Reduction& op, void* acc, std::span<const void* const> partials, size_t count);

// dst = acc divided (Avg) and rounded to dtype.
void finish_partial(const Reduction& op, void* dst, const void* acc, size_t count);

// "portable", "avx2", "avx512": what this process uses; for reports.
[[nodiscard]] const char* simd_name();

}  // namespace dlslime
