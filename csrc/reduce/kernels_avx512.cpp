// AVX-512 (F, BW, VL, DQ). The compiler vectorises the shared loops; only float16 and bfloat16 are written by hand.
#ifdef DLSLIME_X86_KERNELS
#include <immintrin.h>

#include "reduce/kernels_half.h"

namespace dlslime::reduce_detail {
namespace {

// The maskz forms, all lanes on: g++ 12 warns about its own header's plain ones.
struct Halves16 {
  using Format = F16;
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

struct Brains32 {
  using Format = Bf16;
  using Pair = EvenOdd<Halves16>;
  static constexpr size_t kLanes = 32;
  static constexpr __mmask16 kAll = 0xffff;
  static constexpr __mmask32 kEven = 0x55555555, kOdd = 0xaaaaaaaa;

  static Pair load(const uint16_t* in) {
    const __m512i both = _mm512_loadu_si512(in);
    const __m512i odd = _mm512_and_si512(both, _mm512_set1_epi32(-0x10000));
    return {_mm512_castsi512_ps(_mm512_maskz_slli_epi32(kAll, both, 16)), _mm512_castsi512_ps(odd)};
  }
  static void store(uint16_t* out, const Pair& value) {
    const __m512i even = _mm512_castps_si512(value.even), odd = _mm512_castps_si512(value.odd);
    const __m512i one = _mm512_set1_epi16(1);
    const __m512i upper = _mm512_mask_mov_epi16(_mm512_maskz_srli_epi32(kAll, even, 16), kOdd, odd);
    const __m512i lower = _mm512_mask_mov_epi16(_mm512_maskz_slli_epi32(kAll, odd, 16), kEven, even);
    const __m512i tied = _mm512_adds_epu16(lower, _mm512_and_si512(upper, one));
    const __mmask32 up = _mm512_cmpgt_epu16_mask(tied, _mm512_set1_epi16(-0x8000));
    const __m512i magnitude = _mm512_and_si512(upper, _mm512_set1_epi16(0x7fff));
    const __mmask32 nan = _mm512_cmpgt_epi16_mask(magnitude, _mm512_set1_epi16(0x7f80));
    const __m512i rounded = _mm512_mask_add_epi16(upper, up, upper, one);
    _mm512_storeu_si512(out, _mm512_mask_mov_epi16(rounded, nan, _mm512_set1_epi16(0x7fc0)));
  }
};

}  // namespace

constinit const Kernels kAvx512Kernels = with_halves<Halves16, Brains32>(make_kernels());

}  // namespace dlslime::reduce_detail
#endif
