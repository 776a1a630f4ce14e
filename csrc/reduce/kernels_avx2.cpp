// AVX2 with F16C. The compiler vectorises the shared loops; only float16 and bfloat16 are written by hand.
#ifdef DLSLIME_X86_KERNELS
#include <immintrin.h>

#include "reduce/kernels_half.h"

namespace dlslime::reduce_detail {
namespace {

struct Halves8 {
  using Format = F16;
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

struct Brains16 {
  using Format = Bf16;
  using Pair = EvenOdd<Halves8>;
  static constexpr size_t kLanes = 16;
  static constexpr int kOdd = 0xaa;

  static Pair load(const uint16_t* in) {
    const __m256i both = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in));
    const __m256i odd = _mm256_and_si256(both, _mm256_set1_epi32(-0x10000));
    return {_mm256_castsi256_ps(_mm256_slli_epi32(both, 16)), _mm256_castsi256_ps(odd)};
  }
  static void store(uint16_t* out, const Pair& value) {
    const __m256i even = _mm256_castps_si256(value.even), odd = _mm256_castps_si256(value.odd);
    const __m256i half = _mm256_set1_epi16(-0x8000);
    const __m256i upper = _mm256_blend_epi16(_mm256_srli_epi32(even, 16), odd, kOdd);
    const __m256i lower = _mm256_blend_epi16(even, _mm256_slli_epi32(odd, 16), kOdd);
    const __m256i tied = _mm256_adds_epu16(lower, _mm256_and_si256(upper, _mm256_set1_epi16(1)));
    // Compared as signed numbers, hence the turned sign; a true comparison is -1.
    const __m256i up = _mm256_cmpgt_epi16(_mm256_xor_si256(tied, half), _mm256_setzero_si256());
    const __m256i magnitude = _mm256_and_si256(upper, _mm256_set1_epi16(0x7fff));
    const __m256i nan = _mm256_cmpgt_epi16(magnitude, _mm256_set1_epi16(0x7f80));
    const __m256i rounded = _mm256_sub_epi16(upper, up);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                        _mm256_blendv_epi8(rounded, _mm256_set1_epi16(0x7fc0), nan));
  }
};

}  // namespace

constinit const Kernels kAvx2Kernels = with_halves<Halves8, Brains16>(make_kernels());

}  // namespace dlslime::reduce_detail
#endif
