// AVX-512 (F, BW, VL, DQ). The compiler vectorises the shared loops; only float16 is written by hand.
#ifdef DLSLIME_X86_KERNELS
#include <immintrin.h>

#include "reduce/kernels_f16.h"

namespace dlslime::reduce_detail {
namespace {

// The maskz forms, all lanes on: g++ 12 warns about its own header's plain ones.
struct Halves16 {
  static constexpr size_t kLanes = 16;
  static constexpr __mmask16 kAll = 0xffff;
  static __m512 load(const uint16_t* in) {
    return _mm512_maskz_cvtph_ps(kAll, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in)));
  }
  static void store(uint16_t* out, __m512 value) {
    const __m512 nan = _mm512_set1_ps(float_of(kNan32));
    value = _mm512_mask_mov_ps(value, _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q), nan);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                        _mm512_maskz_cvtps_ph(kAll, value, _MM_FROUND_TO_NEAREST_INT));
  }
  static __m512 load_wide(const float* in) { return _mm512_loadu_ps(in); }
  static void store_wide(float* out, __m512 value) { _mm512_storeu_ps(out, value); }
};

}  // namespace

constinit const Kernels kAvx512Kernels = with_f16<Halves16>(make_kernels());

}  // namespace dlslime::reduce_detail
#endif
