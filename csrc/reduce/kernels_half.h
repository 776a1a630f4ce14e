// Sums of float16 and bfloat16, written by hand over vectors that the including file defines, each of kLanes elements of Format:
//   load and store       the elements as float32, where store rounds to nearest even and makes NaNs canonical
// and for float16, which the CPU converts, load_wide and store_wide of float32; bfloat16 comes as EvenOdd. Its store takes the upper
// halves of all elements, one more where the lower ones exceed a half, or are one and the upper is odd. A sum is never a NaN that
// shows in its lower half only: those it is made of show in their upper halves.
//
// Threads, Ownership, Errors, Units, Invariants: as kernels.h. The rest of an array that fills no vector goes
// through the portable code, which computes the same bits.
#pragma once
#include "reduce/kernels_impl.h"

namespace dlslime::reduce_detail {
namespace {

// The elements at even places, and those at odd ones, in registers as `Halves` has them: neither need a shuffle to be widened.
template <class Halves>
struct EvenOdd {
  decltype(Halves::load(nullptr)) even, odd;
  EvenOdd& operator+=(const EvenOdd& other) {
    even += other.even;
    odd += other.odd;
    return *this;
  }
};

// What happens to a sum before it is stored.
template <class Floats, class Finish>
Floats finished(Floats value, Finish finish) {
  return finish(value);
}
template <class Halves, class Finish>
EvenOdd<Halves> finished(const EvenOdd<Halves>& value, Finish finish) {
  return {finish(value.even), finish(value.odd)};
}

template <class Vector>
void decode_f16(float* out, const void* in, size_t count) {
  const auto* from = static_cast<const uint16_t*>(in);
  size_t i = 0;
  for (; i + Vector::kLanes <= count; i += Vector::kLanes)
    Vector::store_wide(out + i, Vector::load(from + i));
  decode<F16, uint16_t>(out + i, from + i, count - i);
}

template <class Vector>
void encode_f16(void* out, const float* in, size_t count) {
  auto* to = static_cast<uint16_t*>(out);
  size_t i = 0;
  for (; i + Vector::kLanes <= count; i += Vector::kLanes) Vector::store(to + i, Vector::load_wide(in + i));
  encode<F16, uint16_t>(to + i, in + i, count - i);
}

template <class Vector, int kInputs, class Finish>
void sum_exactly(const Fold& fold, Finish finish) {
  const uint16_t* in[kInputs];
  for (int k = 0; k < kInputs; ++k) in[k] = static_cast<const uint16_t*>(fold.in[k]);
  auto* to = static_cast<uint16_t*>(fold.out);
  const size_t count = fold.count;  // what is stored could be the caller's, for all the compiler knows
  size_t i = 0;
  for (; i + Vector::kLanes <= count; i += Vector::kLanes) {
    auto value = Vector::load(in[0] + i);
    for (int k = 1; k < kInputs; ++k) value += Vector::load(in[k] + i);
    Vector::store(to + i, finished(value, finish));
  }
  const void* rest[kInputs];
  for (int k = 0; k < kInputs; ++k) rest[k] = in[k] + i;
  fold_exactly<Coded<typename Vector::Format, uint16_t>, Sum, kInputs>({to + i, rest, count - i}, finish);
}

template <class Vector>
void average_halves(void* out, const void* const* in, int inputs, size_t count, int divisor) {
  with_average<float>(divisor, [=](auto finish) {
    const Fold fold{out, in, count};
    if (inputs == 1) sum_exactly<Vector, 1>(fold, finish);
    if (inputs == 2) sum_exactly<Vector, 2>(fold, finish);
    if (inputs == 3) sum_exactly<Vector, 3>(fold, finish);
    if (inputs == 4) sum_exactly<Vector, 4>(fold, finish);
  });
}

template <class Vector>
void sum_halves(void* out, const void* const* in, int inputs, size_t count, int) {
  average_halves<Vector>(out, in, inputs, count, 1);
}

template <class Halves, class Brains>
constexpr Kernels with_halves(Kernels table) {
  table.decode[at(DType::F16)] = decode_f16<Halves>;
  table.encode[at(DType::F16)] = encode_f16<Halves>;
  table.fold[at(ReduceKind::Sum)][at(DType::F16)] = sum_halves<Halves>;
  table.fold[at(ReduceKind::Avg)][at(DType::F16)] = average_halves<Halves>;
  table.fold[at(ReduceKind::Sum)][at(DType::BF16)] = sum_halves<Brains>;
  table.fold[at(ReduceKind::Avg)][at(DType::BF16)] = average_halves<Brains>;
  return table;
}

}  // namespace
}  // namespace dlslime::reduce_detail
