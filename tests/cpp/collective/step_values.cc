#include "collective/step_values.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>
#include <type_traits>
#include <utility>

#include "reduce/reference.h"

namespace dlslime {
namespace {

// Values repeat after so many elements, a prime, so that no chunk or slot put in another's place goes unnoticed.
constexpr size_t kPeriod = 4093;

ByteVector repeated(const ByteVector& period, size_t bytes) {
  ByteVector all(bytes);
  for (size_t at = 0; at < bytes; at += period.size())
    std::memcpy(all.data() + at, period.data(), std::min(period.size(), bytes - at));
  return all;
}

// Magnitudes within a few binades, so that nearly every sum is rounded; some far off, some zeros of either sign, some subnormal.
float awkward(uint64_t x) {
  uint32_t exponent = 121 + uint32_t(x >> 8 & 0xFFFF) % 13;
  if (x % 16 == 0) exponent += x & 16 ? 40 : -40;
  if (x % 64 == 1) exponent = 0;
  const uint32_t mantissa = x % 128 == 1 ? 0 : uint32_t(x >> 41);
  return std::bit_cast<float>(uint32_t(x >> 40 & 1) << 31 | exponent << 23 | mantissa);
}

// As awkward, to the last bit of a double.
double awkward_double(uint64_t x) {
  return double(awkward(x)) * (1 + double(x * 0xD1B54A32D192ED03u >> 12) * 0x1p-53);
}

// Any finite value of a small type: sums of some are rounded, saturate or become infinite.
unsigned finite_code(DType type, uint64_t x) {
  const unsigned code = unsigned(x >> 40) & 0xFF;
  return std::isfinite(reference::value_of(type, code)) ? code : 0;
}
std::vector<float> values_of_codes(DType type) {
  std::vector<float> values;
  for (unsigned code = 0; code < 256; ++code) values.push_back(float(reference::value_of(type, code)));
  return values;
}

float from_bf16(uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); }
uint16_t to_bf16(float value) {  // to nearest even; finite
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return uint16_t((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

template <class T, class Convert>
ByteVector filled(const Step& step, int rank, int part, size_t count, Convert convert) {
  ByteVector bytes(std::min(count, kPeriod) * sizeof(T));
  T* const to = reinterpret_cast<T*>(bytes.data());
  const uint64_t base = step.salt + uint64_t(rank) * 1000003 + uint64_t(part) * 7919;
  for (size_t i = 0; i < std::min(count, kPeriod); ++i) {
    uint64_t x = base + i * 2654435761u;
    x = (x ^ x >> 29) * 0x9E3779B97F4A7C15u;
    to[i] = T(convert(x ^ x >> 32));
  }
  return repeated(bytes, count * sizeof(T));
}

template <class T>
T scaled(T value, double factor) {
  if constexpr (std::is_floating_point_v<T>) {
    volatile T product = value * T(factor);  // rounded: must not be fused with the sum
    return product;
  } else {
    return T(uint64_t(int64_t(value)) * uint64_t(int64_t(factor)));
  }
}

float sum(float a, float b) { return a + b; }
double sum(double a, double b) { return a + b; }
int32_t sum(int32_t a, int32_t b) { return int32_t(uint32_t(a) + uint32_t(b)); }
uint8_t sum(uint8_t a, uint8_t b) { return a | b; }  // of truths, 0 or 1

// -0 is below +0.
template <class T>
bool below(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return a == b ? std::signbit(a) && !std::signbit(b) : a < b;
  return a < b;
}

template <class Acc>
Acc combined(ReduceKind op, Acc a, Acc b) {
  if (op == ReduceKind::Min) return below(b, a) ? b : a;
  if (op == ReduceKind::Max) return below(a, b) ? b : a;
  return sum(a, b);
}

// T: how an element is stored; Acc: what it is added up in.
template <class Acc, class T, class In>
std::vector<Acc> folded_on_host(const Step& step, const std::vector<int>& order, int part, size_t count,
                                In in) {
  std::vector<Acc> acc(count);
  for (size_t k = 0; k < order.size(); ++k) {
    const ByteVector bytes = made(step, order[k], part, count);
    const T* const from = reinterpret_cast<const T*>(bytes.data());
    const double factor = factor_of(step, order[k]);
    for (size_t i = 0; i < count; ++i) {
      Acc value = in(from[i]);
      if (step.op == ReduceKind::PremulSum) value = scaled(value, factor);
      acc[i] = k ? combined(step.op, acc[i], value) : value;
    }
  }
  return acc;
}

template <class Acc, class T, class In, class Out>
ByteVector folded(const Step& step, const RanksByHost& hosts, int part, size_t count, In in, Out out) {
  const size_t all = std::exchange(count, std::min(count, kPeriod));
  std::vector<Acc> acc;
  for (const auto& order : hosts) {
    const auto partial = folded_on_host<Acc, T>(step, order, part, count, in);
    for (size_t i = 0; i < acc.size(); ++i) acc[i] = combined(step.op, acc[i], partial[i]);
    if (acc.empty()) acc = partial;
  }
  ByteVector bytes(count * sizeof(T));
  T* const to = reinterpret_cast<T*>(bytes.data());
  for (size_t i = 0; i < count; ++i) to[i] = out(acc[i]);
  return repeated(bytes, all * sizeof(T));
}

// A complex vector is one of twice as many real numbers.
Step of_components(Step step, DType real) {
  step.dtype = real;
  return step;
}

}  // namespace

ByteVector made(const Step& step, int rank, int part, size_t count) {
  switch (step.dtype) {
    case DType::F32:
      return filled<float>(step, rank, part, count, awkward);
    case DType::BF16:
      return filled<uint16_t>(step, rank, part, count,
                              [](uint64_t x) { return std::bit_cast<uint32_t>(awkward(x)) >> 16; });
    case DType::I32:
      return filled<uint32_t>(step, rank, part, count, [](uint64_t x) { return x >> 32; });
    case DType::F64:
      return filled<double>(step, rank, part, count, awkward_double);
    case DType::C64:
      return made(of_components(step, DType::F32), rank, part, 2 * count);
    case DType::C128:
      return made(of_components(step, DType::F64), rank, part, 2 * count);
    case DType::F8E4M3FN:
    case DType::F8E5M2:
      return filled<uint8_t>(step, rank, part, count, [&](uint64_t x) { return finite_code(step.dtype, x); });
    case DType::Bool:  // whatever is not 0 is true
      return filled<uint8_t>(step, rank, part, count, [](uint64_t x) { return x >> 40 & 1 ? x >> 50 : 0; });
    case DType::U8:
      return filled<uint8_t>(step, rank, part, count, [](uint64_t x) { return x >> 40; });
    default:
      return filled<uint64_t>(step, rank, part, count, [](uint64_t x) { return x; });
  }
}

double factor_of(const Step& step, int rank) {
  return (rank % 2 ? -1 : 1) * (1 + double(rank + int(step.salt % 5)) / 3);
}

ByteVector reduced(const Step& step, const RanksByHost& hosts, int part, size_t count) {
  const auto same = [](auto value) { return value; };
  size_t ranks = 0;
  for (const auto& order : hosts) ranks += order.size();
  const size_t divisor = step.op == ReduceKind::Avg ? ranks : 1;
  const auto divided = [divisor](auto v) { return v / decltype(v)(divisor); };
  switch (step.dtype) {
    case DType::F32:
      return folded<float, float>(step, hosts, part, count, same, divided);
    case DType::F64:
      return folded<double, double>(step, hosts, part, count, same, divided);
    case DType::C64:
      return reduced(of_components(step, DType::F32), hosts, part, 2 * count);
    case DType::C128:
      return reduced(of_components(step, DType::F64), hosts, part, 2 * count);
    case DType::BF16:
      return folded<float, uint16_t>(step, hosts, part, count, from_bf16,
                                     [&](float v) { return to_bf16(divided(v)); });
    case DType::F8E4M3FN:
    case DType::F8E5M2: {
      const std::vector<float> values = values_of_codes(step.dtype);
      return folded<float, uint8_t>(
          step, hosts, part, count, [&](uint8_t code) { return values[code]; },
          [&](float v) { return uint8_t(reference::code_of(step.dtype, divided(v))); });
    }
    case DType::Bool:
      return folded<uint8_t, uint8_t>(
          step, hosts, part, count, [](uint8_t v) { return uint8_t(v != 0); }, same);
    default:
      return folded<int32_t, int32_t>(step, hosts, part, count, same, same);
  }
}

RanksByHost ranks_by_host(const std::vector<int>& host_of) {
  RanksByHost hosts;
  for (size_t rank = 0; rank < host_of.size(); ++rank) {
    const size_t host = size_t(host_of[rank]);
    hosts.resize(std::max(hosts.size(), host + 1));
    hosts[host].push_back(int(rank));
  }
  return hosts;
}

RanksByHost on_one_host(int ranks) {
  std::vector<int> order(static_cast<size_t>(ranks));
  std::iota(order.begin(), order.end(), 0);
  return {order};
}

}  // namespace dlslime
