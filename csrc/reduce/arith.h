// Arithmetic of single elements: operators and narrow float formats, written without branches so that a
// compiler can vectorise the loops over them.
//
// Threads, Ownership, Errors: pure functions.
// Units:      formats are named by exponent bits E, mantissa bits M and exponent bias.
// Invariants: the same bits with every compiler flag we use: no multiply feeds an add, NaNs are made
//             canonical, minimum and maximum compare integers.
//
// NOTE [one copy per instruction set]: everything here is in an unnamed namespace and uses no inline function
// of the standard library. This header is compiled once per instruction set; were a function shared, the
// linker could keep the AVX-512 copy for everybody, and older CPUs would meet an illegal instruction.
#pragma once
#include <cstddef>
#include <cstdint>

// For all that follows in the file. g++ keeps a branch around floating point that could raise an exception
// flag, and so gives up on the loop; nobody reads those flags. Fused multiply-adds would break Invariants.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-trapping-math", "fp-contract=off")
#elif defined(__clang__)
#pragma clang fp contract(off)
#endif

namespace dlslime::reduce_detail {
namespace {

constexpr uint32_t kInf32 = 0x7f800000u, kNan32 = 0x7fc00000u, kMagnitude32 = 0x7fffffffu;

inline uint32_t pick(bool condition, uint32_t a, uint32_t b) { return condition ? a : b; }

inline uint32_t bits_of(float value) { return __builtin_bit_cast(uint32_t, value); }
inline uint64_t bits_of(double value) { return __builtin_bit_cast(uint64_t, value); }
inline float float_of(uint32_t bits) { return __builtin_bit_cast(float, bits); }

template <class T>
inline constexpr bool kIsFloat = false;
template <>
inline constexpr bool kIsFloat<float> = true;
template <>
inline constexpr bool kIsFloat<double> = true;

template <class T>
inline T canonical(T value) {
  if constexpr (kIsFloat<T>) return value == value ? value : static_cast<T>(__builtin_nan(""));
  return value;
}

// ---- total order of floats ----
// Sign and magnitude folded into one signed integer; -0 is below +0.
template <class T>
struct Ordered {
  using Key = T;
  static Key key(T value) { return value; }
  static bool nan(T) { return false; }
};
template <>
struct Ordered<float> {
  using Key = int32_t;
  static Key key(float value) {
    const auto bits = static_cast<int32_t>(bits_of(value));
    return bits ^ ((bits >> 31) & 0x7fffffff);
  }
  static bool nan(float value) { return (bits_of(value) & kMagnitude32) > kInf32; }
};
template <>
struct Ordered<double> {
  using Key = int64_t;
  static Key key(double value) {
    const auto bits = static_cast<int64_t>(bits_of(value));
    return bits ^ ((bits >> 63) & INT64_MAX);
  }
  static bool nan(double value) { return (bits_of(value) & ~(1ull << 63)) > 0x7ffull << 52; }
};

// ---- operators ----
// Integers come as unsigned types (they wrap), except to Extreme. NaNs are made canonical on being stored.
struct Sum {
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(a + b);
  }
};
struct Product {
  template <class T>
  static T apply(T a, T b) {
    if constexpr (sizeof(T) < sizeof(int))
      return static_cast<T>(uint32_t{a} * uint32_t{b});
    else
      return a * b;
  }
};
template <bool kLower>
struct Extreme {
  template <class T>
  static T apply(T a, T b) {
    using Order = Ordered<T>;
    const bool first = kLower ? Order::key(a) <= Order::key(b) : Order::key(a) >= Order::key(b);
    const T pick = first ? a : b;
    if constexpr (kIsFloat<T>)
      return Order::nan(a) | Order::nan(b) ? static_cast<T>(__builtin_nan("")) : pick;
    else
      return pick;
  }
};
struct BitAnd {
  template <class T>
  static T apply(T a, T b) {
    return a & b;
  }
};
struct BitOr {
  template <class T>
  static T apply(T a, T b) {
    return a | b;
  }
};
struct BitXor {
  template <class T>
  static T apply(T a, T b) {
    return a ^ b;
  }
};

// ---- narrow floats ----
enum class Top : uint8_t {
  Ieee,      // the highest exponent holds infinity and NaN
  Saturate,  // FN: no infinity, one NaN (all ones); overflow stops at the largest finite value
  Unsigned0  // FNUZ: no infinity, no -0; the code of -0 is the NaN, and overflow gives it
};

template <int E, int M, int kBias, Top kTop>
struct Narrow {
  static constexpr int kDrop = 23 - M;  // mantissa bits that f32 has and we have not
  static constexpr uint32_t kSign = 1u << (E + M);
  static constexpr uint32_t kInf = ((1u << E) - 1) << M;  // Ieee only
  static constexpr uint32_t kNan = kTop == Top::Ieee ? kInf | (E + M == 7 ? (1u << M) - 1 : 1u << (M - 1))
                                   : kTop == Top::Saturate ? kSign - 1
                                                           : kSign;
  static constexpr uint32_t kMax = kTop == Top::Ieee ? kInf : kTop == Top::Saturate ? kNan - 1 : kSign - 1;
  static constexpr uint32_t kOverflow = kTop == Top::Unsigned0 ? kNan : kMax;

  static constexpr uint32_t kOne = 1u << 23;                                     // f32's exponent, one step
  static constexpr uint32_t kRebias = static_cast<uint32_t>(127 - kBias) << 23;  // from our exponent to f32's

  static float decode(uint32_t code) {
    const uint32_t magnitude = code & (kSign - 1);
    // A subnormal has no leading one: give it one, and take it away again where f32 normalises.
    const bool subnormal = magnitude < (1u << M);
    const uint32_t raised = (magnitude << kDrop) + kRebias + pick(subnormal, kOne, 0);
    uint32_t bits = bits_of(float_of(raised) - float_of(pick(subnormal, kRebias + kOne, 0)));
    if constexpr (kTop == Top::Ieee) bits = pick(magnitude >= kInf, (magnitude << kDrop) | kInf32, bits);
    if constexpr (kTop == Top::Saturate) bits = pick(magnitude == kNan, kNan32, bits);
    bits |= (code & kSign) << (31 - E - M);
    if constexpr (kTop == Top::Unsigned0) bits = pick(code == kNan, kNan32, bits);
    return float_of(bits);
  }

  static uint32_t encode(float value) {
    constexpr uint32_t kSmallest = kRebias + kOne;  // the smallest normal, as f32
    constexpr uint32_t kTooLarge = kRebias + (1u << (23 + E));
    const uint32_t bits = bits_of(value), magnitude = bits & kMagnitude32;
    const uint32_t capped = pick(magnitude < kTooLarge, magnitude, kTooLarge);
    // Adding 2^kDrop times the leading bit's weight leaves the mantissa, rounded to nearest even, in the last
    // bits.
    const uint32_t leading = capped & kInf32, exponent = pick(leading > kSmallest, leading, kSmallest);
    const uint32_t magic = exponent + kDrop * kOne;
    const uint32_t mantissa = bits_of(float_of(capped) + float_of(magic)) - magic;
    uint32_t code = ((exponent - kSmallest) >> kDrop) + mantissa;
    code = pick(code > kMax, kOverflow, code);
    const uint32_t sign = (bits >> (31 - E - M)) & kSign;
    if constexpr (kTop == Top::Unsigned0)
      code = pick(code == 0, 0, code | sign);
    else
      code |= sign;
    return pick(magnitude > kInf32, kNan, code);
  }
};

struct Bf16 {
  static float decode(uint32_t code) { return float_of(code << 16); }
  static uint32_t encode(float value) {
    const uint32_t bits = bits_of(value);
    const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    return pick((bits & kMagnitude32) > kInf32, 0x7fc0, rounded);
  }
};
using F16 = Narrow<5, 10, 15, Top::Ieee>;
using E5M2 = Narrow<5, 2, 15, Top::Ieee>;
using E4M3Fn = Narrow<4, 3, 7, Top::Saturate>;
using E4M3Fnuz = Narrow<4, 3, 8, Top::Unsigned0>;
using E5M2Fnuz = Narrow<5, 2, 16, Top::Unsigned0>;

}  // namespace
}  // namespace dlslime::reduce_detail
