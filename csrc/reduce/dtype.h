// Element types and reduction operators: the words every room above uses for them.
//
// Threads:    all functions are pure and may be called from anywhere.
// Ownership:  the returned strings are static.
// Errors:     none; an enumerator out of range has size 0 and the name "?". Check what comes off the wire
//             with valid().
// Units:      size_of() is in bytes.
// Invariants: enumerator values travel on the wire. Append; never renumber.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dlslime {

enum class DType : uint8_t {
  Bool,
  U8,
  I8,
  U16,
  I16,
  U32,
  I32,
  U64,
  I64,
  F16,
  BF16,
  F32,
  F64,
  F8E4M3FN,
  F8E5M2,
  F8E4M3FNUZ,
  F8E5M2FNUZ,
  C64,  // complex<float>
  C128  // complex<double>
};
inline constexpr size_t kDTypes = 19;

enum class ReduceKind : uint8_t { Sum, Avg, Product, Min, Max, BitAnd, BitOr, BitXor, PremulSum };
inline constexpr size_t kReduceKinds = 9;

[[nodiscard]] constexpr bool valid(DType type) { return static_cast<size_t>(type) < kDTypes; }
[[nodiscard]] constexpr bool valid(ReduceKind kind) { return static_cast<size_t>(kind) < kReduceKinds; }

[[nodiscard]] size_t size_of(DType type);
[[nodiscard]] const char* name_of(DType type);       // "float32", "float8_e4m3fn": torch's names
[[nodiscard]] const char* name_of(ReduceKind kind);  // "sum", "premul_sum"

[[nodiscard]] bool is_complex(DType type);
[[nodiscard]] bool is_floating(DType type);  // real floating point, fp8 included; complex is not

// False: bitwise on floating or complex, Min/Max/Product on complex, Avg/PremulSum on bool.
[[nodiscard]] bool meaningful(ReduceKind kind, DType type);

// The type partial results are held in: F32 for F16, BF16 and fp8; every other type itself.
[[nodiscard]] DType accumulator_of(DType type);

}  // namespace dlslime
