// The kernels of one instruction set, as a table of functions, and the choice between the tables.
//
// Threads:    any; the tables are constants. set_simd_level_for_test: while no reduction runs.
// Ownership:  tables are static.
// Errors:     none. A null entry is a combination without meaning; whoever looks it up checks.
// Units:      counts are elements.
// Invariants: all tables compute the same bits. No kernel needs alignment. `out` may be exactly one input.
#pragma once
#include <cstddef>
#include <cstdint>

#include "reduce/dtype.h"

namespace dlslime::reduce_detail {

// Inputs of one fold: enough that partial results seldom pass through memory, few enough for the registers.
inline constexpr int kMaxFold = 4;

// out[i] = in[0][i] op ... op in[inputs-1][i]; 1 <= inputs <= kMaxFold. Only Avg divides by `divisor`.
using FoldFn = void (*)(void* out, const void* const* in, int inputs, size_t count, int divisor);
// out[i] = in[i] * factor; the factor is converted to the type first.
using PremulFn = void (*)(void* out, const void* in, size_t count, double factor);
// A narrow float to f32, exactly; f32 to a narrow float, to nearest even.
using DecodeFn = void (*)(float* out, const void* in, size_t count);
using EncodeFn = void (*)(void* out, const float* in, size_t count);

struct Kernels {
  // Complex types have no entries: use their component's, with twice the count. Narrow floats have entries
  // only for common operators: narrow in, narrow out, rounded once. Otherwise decode, fold F32, encode.
  FoldFn fold[kReduceKinds][kDTypes] = {};
  PremulFn premul[kDTypes] = {};
  DecodeFn decode[kDTypes] = {};
  EncodeFn encode[kDTypes] = {};
};

extern const Kernels kPortableKernels;  // plain C++, which the compiler vectorises: SSE2, NEON
#ifdef DLSLIME_X86_KERNELS
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
#endif

enum class SimdLevel : uint8_t { Portable, Avx2, Avx512 };

[[nodiscard]] bool supported(SimdLevel level);
[[nodiscard]] SimdLevel best_simd_level();
[[nodiscard]] SimdLevel simd_level();
[[nodiscard]] const char* name_of(SimdLevel level);

// False, and no change, where the CPU or the build has no such level.
bool set_simd_level_for_test(SimdLevel level);

[[nodiscard]] const Kernels& kernels();  // of simd_level()

}  // namespace dlslime::reduce_detail
