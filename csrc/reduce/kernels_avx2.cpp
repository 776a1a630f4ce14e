// AVX2 with F16C. The compiler vectorises the shared loops; only float16 is written by hand.
#ifdef DLSLIME_X86_KERNELS
#include <immintrin.h>

#include "reduce/kernels_f16.h"

namespace dlslime::reduce_detail {
namespace {

struct Halves8 {
  static constexpr size_t kLanes = 8;
  static __m256 load(const uint16_t* in) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in)));
  }
  static void store(uint16_t* out, __m256 value) {
    const __m256 nan = _mm256_set1_ps(float_of(kNan32));
    value = _mm256_blendv_ps(value, nan, _mm256_cmp_ps(value, value, _CMP_UNORD_Q));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm256_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT));
  }
  static __m256 load_wide(const float* in) { return _mm256_loadu_ps(in); }
  static void store_wide(float* out, __m256 value) { _mm256_storeu_ps(out, value); }
};

}  // namespace

constinit const Kernels kAvx2Kernels = with_f16<Halves8>(make_kernels());

}  // namespace dlslime::reduce_detail
#endif
