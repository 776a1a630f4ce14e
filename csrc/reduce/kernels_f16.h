// float16 with the conversion instructions of x86, over a Vector of 8 or 16 lanes that the including file
// defines: kLanes; load and store for float16, where store makes NaNs canonical; load_wide and store_wide.
//
// Threads, Ownership, Errors, Units, Invariants: as kernels.h. The rest of an array that fills no vector goes
// through the portable code, which computes the same bits.
#pragma once
#include "reduce/kernels_impl.h"

namespace dlslime::reduce_detail {
namespace {

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
void sum_f16_exactly(const Fold& fold, Finish finish) {
  const uint16_t* in[kInputs];
  for (int k = 0; k < kInputs; ++k) in[k] = static_cast<const uint16_t*>(fold.in[k]);
  auto* to = static_cast<uint16_t*>(fold.out);
  size_t i = 0;
  for (; i + Vector::kLanes <= fold.count; i += Vector::kLanes) {
    auto value = Vector::load(in[0] + i);
    for (int k = 1; k < kInputs; ++k) value += Vector::load(in[k] + i);
    Vector::store(to + i, finish(value));
  }
  const void* rest[kInputs];
  for (int k = 0; k < kInputs; ++k) rest[k] = in[k] + i;
  fold_exactly<Coded<F16, uint16_t>, Sum, kInputs>({to + i, rest, fold.count - i}, finish);
}

template <class Vector>
void sum_f16(void* out, const void* const* in, int inputs, size_t count, int divisor) {
  with_average<float>(divisor, [=](auto finish) {
    const Fold fold{out, in, count};
    if (inputs == 1) sum_f16_exactly<Vector, 1>(fold, finish);
    if (inputs == 2) sum_f16_exactly<Vector, 2>(fold, finish);
    if (inputs == 3) sum_f16_exactly<Vector, 3>(fold, finish);
    if (inputs == 4) sum_f16_exactly<Vector, 4>(fold, finish);
  });
}

template <class Vector>
void plain_sum_f16(void* out, const void* const* in, int inputs, size_t count, int) {
  sum_f16<Vector>(out, in, inputs, count, 1);
}

template <class Vector>
constexpr Kernels with_f16(Kernels table) {
  table.decode[at(DType::F16)] = decode_f16<Vector>;
  table.encode[at(DType::F16)] = encode_f16<Vector>;
  table.fold[at(ReduceKind::Sum)][at(DType::F16)] = plain_sum_f16<Vector>;
  table.fold[at(ReduceKind::Avg)][at(DType::F16)] = sum_f16<Vector>;
  return table;
}

}  // namespace
}  // namespace dlslime::reduce_detail
