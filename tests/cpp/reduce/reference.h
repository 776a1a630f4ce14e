// What the kernels must compute, written slowly and independently: formats by their definition, rounding by
// searching all values, one element at a time.
//
// Threads:    none of it is meant for more than one. Ownership: values. Errors: none. Units: elements.
// Invariants: shares no code with csrc/reduce but dtype.h and the Reduction struct.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "reduce/reduce.h"

namespace dlslime::reference {

using Bytes = std::vector<unsigned char>;

struct Format {
  int exponent_bits, mantissa_bits, bias;
  bool ieee, saturates, fnuz;
};

inline Format format_of(DType type) {
  switch (type) {
    case DType::F16:
      return {5, 10, 15, true, false, false};
    case DType::BF16:
      return {8, 7, 127, true, false, false};
    case DType::F8E5M2:
      return {5, 2, 15, true, false, false};
    case DType::F8E4M3FN:
      return {4, 3, 7, false, true, false};
    case DType::F8E4M3FNUZ:
      return {4, 3, 8, false, false, true};
    default:
      return {5, 2, 16, false, false, true};  // F8E5M2FNUZ
  }
}

inline double value_of(DType type, unsigned code) {
  const Format f = format_of(type);
  const int sign_at = f.exponent_bits + f.mantissa_bits;
  const unsigned magnitude = code & ((1u << sign_at) - 1),
                 mantissa = magnitude & ((1u << f.mantissa_bits) - 1);
  const int exponent = static_cast<int>(magnitude >> f.mantissa_bits);
  const double sign = code >> sign_at ? -1 : 1, nan = std::numeric_limits<double>::quiet_NaN();
  if (f.fnuz && code == 1u << sign_at) return nan;
  if (f.saturates && magnitude == (1u << sign_at) - 1) return nan;
  if (f.ieee && exponent == (1 << f.exponent_bits) - 1) return mantissa ? nan : sign * HUGE_VAL;
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - f.bias - f.mantissa_bits);
  return sign * std::ldexp(mantissa + (1u << f.mantissa_bits), exponent - f.bias - f.mantissa_bits);
}

// All finite non-negative values in order, which is the order of their codes.
inline const std::vector<double>& ladder_of(DType type) {
  static std::vector<double> ladders[kDTypes];
  auto& ladder = ladders[static_cast<size_t>(type)];
  for (unsigned code = 0; ladder.size() == code; ++code) {
    const double value = value_of(type, code);
    if (!std::isfinite(value) || value < 0 || std::signbit(value)) break;
    ladder.push_back(value);
  }
  return ladder;
}

inline unsigned nan_of(DType type) {
  switch (type) {
    case DType::F16:
      return 0x7e00;
    case DType::BF16:
      return 0x7fc0;
    case DType::F8E5M2:
    case DType::F8E4M3FN:
      return 0x7f;
    default:
      return 0x80;
  }
}

inline unsigned code_of(DType type, float exact) {
  if (std::isnan(exact)) return nan_of(type);
  const Format f = format_of(type);
  const auto& ladder = ladder_of(type);
  const double magnitude = std::fabs(static_cast<double>(exact)), top = ladder.back();
  const unsigned last = static_cast<unsigned>(ladder.size()) - 1;
  const unsigned sign = std::signbit(exact) ? 1u << (f.exponent_bits + f.mantissa_bits) : 0;
  const double beyond = top + (top - ladder[last - 1]) / 2;  // halfway to the value that would follow
  if (magnitude > beyond || (magnitude == beyond && last % 2 == 1)) {
    return f.fnuz ? nan_of(type) : (f.saturates ? last : last + 1) | sign;
  }
  unsigned low =
      static_cast<unsigned>(std::upper_bound(ladder.begin(), ladder.end(), magnitude) - ladder.begin()) - 1;
  if (low < last) {
    const double down = magnitude - ladder[low], up = ladder[low + 1] - magnitude;
    if (up < down || (up == down && low % 2 == 1)) ++low;
  }
  return f.fnuz && low == 0 ? 0 : low | sign;
}

// ---- operators ----
template <class T>
T combine(ReduceKind kind, T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    const bool lower = kind == ReduceKind::Min;
    switch (kind) {
      case ReduceKind::Product:
        return a * b;
      case ReduceKind::Min:
      case ReduceKind::Max:
        if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<T>::quiet_NaN();
        if (a == b) return std::signbit(a) == lower ? a : b;
        return (a < b) == lower ? a : b;
      default:
        return a + b;
    }
  } else {
    const auto wide = [](T v) { return static_cast<unsigned __int128>(v); };
    switch (kind) {
      case ReduceKind::Product:
        return static_cast<T>(wide(a) * wide(b));
      case ReduceKind::Min:
        return a < b ? a : b;
      case ReduceKind::Max:
        return a > b ? a : b;
      case ReduceKind::BitAnd:
        return static_cast<T>(a & b);
      case ReduceKind::BitOr:
        return static_cast<T>(a | b);
      case ReduceKind::BitXor:
        return static_cast<T>(a ^ b);
      default:
        return static_cast<T>(wide(a) + wide(b));
    }
  }
}

inline unsigned char combine_bool(ReduceKind kind, bool a, bool b) {
  switch (kind) {
    case ReduceKind::Product:
    case ReduceKind::Min:
    case ReduceKind::BitAnd:
      return a && b;
    case ReduceKind::BitXor:
      return a != b;
    default:
      return a || b;
  }
}

template <class T>
T multiplied(T value, double factor) {
  if constexpr (std::is_floating_point_v<T>)
    return value * static_cast<T>(factor);
  else
    return static_cast<T>(static_cast<__int128>(value) * static_cast<__int128>(factor));
}

template <class T>
T divided(T value, int divisor) {
  if constexpr (std::is_floating_point_v<T>)
    return value / static_cast<T>(divisor);
  else
    return static_cast<T>(static_cast<__int128>(value) / divisor);
}

// One element: get(k) is source k's value in the accumulator type.
template <class T, class Get>
T fold(const Reduction& op, size_t sources, bool finish, Get get) {
  const auto input = [&](size_t k) {
    const bool scaled = op.kind == ReduceKind::PremulSum && k < op.factors.size();
    return scaled ? multiplied<T>(get(k), op.factors[k]) : get(k);
  };
  T value = input(0);
  for (size_t k = 1; k < sources; ++k) value = combine<T>(op.kind, value, input(k));
  if (finish && op.kind == ReduceKind::Avg) value = divided<T>(value, op.divisor);
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(value)) return std::numeric_limits<T>::quiet_NaN();
  }
  return value;
}

template <class T>
Bytes reduce_plain(const Reduction& op, const std::vector<Bytes>& sources) {
  Bytes out(sources[0].size());
  for (size_t at = 0; at < out.size(); at += sizeof(T)) {
    const T value = fold<T>(op, sources.size(), true, [&](size_t k) {
      T element;
      std::memcpy(&element, sources[k].data() + at, sizeof(T));
      return element;
    });
    std::memcpy(out.data() + at, &value, sizeof(T));
  }
  return out;
}

inline Bytes reduce_narrow(const Reduction& op, const std::vector<Bytes>& sources) {
  Bytes out(sources[0].size());
  const size_t size = size_of(op.dtype);
  for (size_t at = 0; at < out.size(); at += size) {
    const float value = fold<float>(op, sources.size(), true, [&](size_t k) {
      const unsigned low = sources[k][at], high = size == 2 ? sources[k][at + 1] : 0;
      return static_cast<float>(value_of(op.dtype, low | high << 8));
    });
    const unsigned code = code_of(op.dtype, value);
    out[at] = static_cast<unsigned char>(code);
    if (size == 2) out[at + 1] = static_cast<unsigned char>(code >> 8);
  }
  return out;
}

inline Bytes reduce_bool(const Reduction& op, const std::vector<Bytes>& sources) {
  Bytes out(sources[0].size());
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = sources[0][i] != 0;
    for (size_t k = 1; k < sources.size(); ++k) out[i] = combine_bool(op.kind, out[i], sources[k][i]);
  }
  return out;
}

inline Bytes reduce(const Reduction& op, const std::vector<Bytes>& sources) {
  switch (op.dtype) {
    case DType::Bool:
      return reduce_bool(op, sources);
    case DType::U8:
      return reduce_plain<uint8_t>(op, sources);
    case DType::I8:
      return reduce_plain<int8_t>(op, sources);
    case DType::U16:
      return reduce_plain<uint16_t>(op, sources);
    case DType::I16:
      return reduce_plain<int16_t>(op, sources);
    case DType::U32:
      return reduce_plain<uint32_t>(op, sources);
    case DType::I32:
      return reduce_plain<int32_t>(op, sources);
    case DType::U64:
      return reduce_plain<uint64_t>(op, sources);
    case DType::I64:
      return reduce_plain<int64_t>(op, sources);
    case DType::F32:
    case DType::C64:
      return reduce_plain<float>(op, sources);
    case DType::F64:
    case DType::C128:
      return reduce_plain<double>(op, sources);
    default:
      return reduce_narrow(op, sources);
  }
}

}  // namespace dlslime::reference
