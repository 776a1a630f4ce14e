// The loops over arith.h's elements, and the table of them. Included by one file per instruction set, which
// hands make_kernels() the few loops it writes by hand. See NOTE [one copy per instruction set].
//
// Threads, Ownership, Errors, Units, Invariants: as kernels.h. Iterations are independent even where `out` is
// one of the inputs, because each reads only what it is about to write: hence DLSLIME_INDEPENDENT.
#pragma once
#include "reduce/arith.h"
#include "reduce/kernels.h"

#ifdef __clang__
#define DLSLIME_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define DLSLIME_INDEPENDENT _Pragma("GCC ivdep")
#endif

namespace dlslime::reduce_detail {
namespace {

template <bool kFirst, class A, class B>
struct SelectType {
  using Type = A;
};
template <class A, class B>
struct SelectType<false, A, B> {
  using Type = B;
};
template <bool kFirst, class A, class B>
using Select = typename SelectType<kFirst, A, B>::Type;

// An element at any address.
template <class T>
struct [[gnu::packed, gnu::may_alias]] Loose {
  T value;
};

// ---- how a dtype is read and written ----
template <class T>
struct Plain {
  using Stored = T;
  static T load(T stored) { return stored; }
  static T store(T value) { return canonical(value); }
};
struct Truth {
  using Stored = uint8_t;
  static uint8_t load(uint8_t stored) { return stored != 0; }
  static uint8_t store(uint8_t value) { return value; }
};
template <class Format, class Code>
struct Coded {
  using Stored = Code;
  static float load(Code stored) { return Format::decode(stored); }
  static Code store(float value) { return static_cast<Code>(Format::encode(value)); }
};

// ---- what happens to the folded value ----
struct Keep {
  template <class T>
  T operator()(T value) const {
    return value;
  }
};
template <class T>
struct Times {
  T factor;
  template <class V>
  V operator()(V value) const {
    return value * factor;
  }
};
// Integers are divided in a type that holds the divisor; Value says whether the word is signed.
template <class Value>
struct Over {
  static constexpr bool kSigned = Value(-1) < Value(0);
  using Narrow = Select<kSigned, int32_t, uint32_t>;
  using Wide = Select<kIsFloat<Value> || sizeof(Value) == 8, Value, Narrow>;
  Wide divisor;
  template <class V>
  V operator()(V value) const {
    if constexpr (kIsFloat<Value>)
      return value / divisor;
    else
      return static_cast<V>(static_cast<Wide>(static_cast<Value>(value)) / divisor);
  }
};

// Calls loop(finish) with the finish of an average. A power of two has an exact inverse: the product is the
// quotient.
template <class Value, class Loop>
void with_average(int divisor, Loop loop) {
  if (divisor <= 1) return loop(Keep{});
  if constexpr (kIsFloat<Value>) {
    if ((divisor & (divisor - 1)) == 0) return loop(Times<Value>{1 / static_cast<Value>(divisor)});
  }
  loop(Over<Value>{static_cast<typename Over<Value>::Wide>(divisor)});
}

// ---- loops ----
struct Fold {
  void* out;
  const void* const* in;
  size_t count;
};

template <class Lane, class Op, int kInputs, class Finish>
void fold_exactly(const Fold& fold, Finish finish) {
  using Element = Loose<typename Lane::Stored>;
  const auto input = [&](int k) { return static_cast<const Element*>(fold.in[k < kInputs ? k : 0]); };
  const Element *a = input(0), *b = input(1), *c = input(2), *d = input(3);
  auto* to = static_cast<Element*>(fold.out);
  const size_t count = fold.count;
  DLSLIME_INDEPENDENT
  for (size_t i = 0; i < count; ++i) {
    auto value = Lane::load(a[i].value);
    if constexpr (kInputs > 1) value = Op::apply(value, Lane::load(b[i].value));
    if constexpr (kInputs > 2) value = Op::apply(value, Lane::load(c[i].value));
    if constexpr (kInputs > 3) value = Op::apply(value, Lane::load(d[i].value));
    to[i].value = Lane::store(finish(value));
  }
}

template <class Lane, class Op, class Finish>
void fold_any(const Fold& fold, int inputs, Finish finish) {
  static_assert(kMaxFold == 4);
  if (inputs == 1) fold_exactly<Lane, Op, 1>(fold, finish);
  if (inputs == 2) fold_exactly<Lane, Op, 2>(fold, finish);
  if (inputs == 3) fold_exactly<Lane, Op, 3>(fold, finish);
  if (inputs == 4) fold_exactly<Lane, Op, 4>(fold, finish);
}

template <class Lane, class Op>
void fold(void* out, const void* const* in, int inputs, size_t count, int) {
  fold_any<Lane, Op>({out, in, count}, inputs, Keep{});
}

template <class Lane, class Value>
void average(void* out, const void* const* in, int inputs, size_t count, int divisor) {
  with_average<Value>(divisor, [=](auto finish) { fold_any<Lane, Sum>({out, in, count}, inputs, finish); });
}

template <class Format, class Code>
void decode(float* out, const void* in, size_t count) {
  const auto* from = static_cast<const Loose<Code>*>(in);
  DLSLIME_INDEPENDENT
  for (size_t i = 0; i < count; ++i) out[i] = Format::decode(from[i].value);
}

template <class Format, class Code>
void encode(void* out, const float* in, size_t count) {
  auto* to = static_cast<Loose<Code>*>(out);
  DLSLIME_INDEPENDENT
  for (size_t i = 0; i < count; ++i) to[i].value = static_cast<Code>(Format::encode(in[i]));
}

// A factor as an integer: truncated toward zero, saturated to 64 bits; the caller takes it modulo 2^n.
inline uint64_t integer_of(double factor) {
  constexpr double kTwo63 = 9223372036854775808.0;
  if (!(factor > -kTwo63)) return factor != factor ? 0 : uint64_t{1} << 63;
  if (factor >= 2 * kTwo63) return UINT64_MAX;
  return factor >= 0 ? static_cast<uint64_t>(factor) : static_cast<uint64_t>(static_cast<int64_t>(factor));
}

template <class T>
void premul(void* out, const void* in, size_t count, double factor) {
  T by;
  if constexpr (kIsFloat<T>)
    by = static_cast<T>(factor);
  else
    by = static_cast<T>(integer_of(factor));
  auto* to = static_cast<Loose<T>*>(out);
  const auto* from = static_cast<const Loose<T>*>(in);
  DLSLIME_INDEPENDENT
  for (size_t i = 0; i < count; ++i) to[i].value = Product::apply<T>(from[i].value, by);
}

// ---- the table ----
constexpr size_t at(ReduceKind kind) { return static_cast<size_t>(kind); }
constexpr size_t at(DType type) { return static_cast<size_t>(type); }

template <class Lane, class Value>
constexpr void set_sums(Kernels& table, DType type) {
  table.fold[at(ReduceKind::Sum)][at(type)] = fold<Lane, Sum>;
  table.fold[at(ReduceKind::Avg)][at(type)] = average<Lane, Value>;
  table.fold[at(ReduceKind::PremulSum)][at(type)] = fold<Lane, Sum>;
}

template <class Lane>
constexpr void set_bitwise(Kernels& table, DType type) {
  table.fold[at(ReduceKind::BitAnd)][at(type)] = fold<Lane, BitAnd>;
  table.fold[at(ReduceKind::BitOr)][at(type)] = fold<Lane, BitOr>;
  table.fold[at(ReduceKind::BitXor)][at(type)] = fold<Lane, BitXor>;
}

constexpr void set_bool(Kernels& table) {
  set_bitwise<Truth>(table, DType::Bool);
  table.fold[at(ReduceKind::Product)][at(DType::Bool)] = fold<Truth, BitAnd>;
  table.fold[at(ReduceKind::Min)][at(DType::Bool)] = fold<Truth, BitAnd>;
  table.fold[at(ReduceKind::Sum)][at(DType::Bool)] = fold<Truth, BitOr>;
  table.fold[at(ReduceKind::Max)][at(DType::Bool)] = fold<Truth, BitOr>;
}

// Value: what is ordered and divided. Word: what wraps.
template <class Value, class Word>
constexpr void set_numbers(Kernels& table, DType type) {
  set_sums<Plain<Word>, Value>(table, type);
  table.fold[at(ReduceKind::Product)][at(type)] = fold<Plain<Word>, Product>;
  table.fold[at(ReduceKind::Min)][at(type)] = fold<Plain<Value>, Extreme<true>>;
  table.fold[at(ReduceKind::Max)][at(type)] = fold<Plain<Value>, Extreme<false>>;
  table.premul[at(type)] = premul<Word>;
}

template <class Value, class Word>
constexpr void set_integers(Kernels& table, DType type) {
  set_numbers<Value, Word>(table, type);
  set_bitwise<Plain<Word>>(table, type);
}

template <class Format, class Code>
constexpr void set_codec(Kernels& table, DType type) {
  table.decode[at(type)] = decode<Format, Code>;
  table.encode[at(type)] = encode<Format, Code>;
}

constexpr Kernels make_kernels() {
  Kernels table;
  set_bool(table);
  set_integers<uint8_t, uint8_t>(table, DType::U8);
  set_integers<int8_t, uint8_t>(table, DType::I8);
  set_integers<uint16_t, uint16_t>(table, DType::U16);
  set_integers<int16_t, uint16_t>(table, DType::I16);
  set_integers<uint32_t, uint32_t>(table, DType::U32);
  set_integers<int32_t, uint32_t>(table, DType::I32);
  set_integers<uint64_t, uint64_t>(table, DType::U64);
  set_integers<int64_t, uint64_t>(table, DType::I64);
  set_numbers<float, float>(table, DType::F32);
  set_numbers<double, double>(table, DType::F64);
  set_codec<F16, uint16_t>(table, DType::F16);
  set_codec<Bf16, uint16_t>(table, DType::BF16);
  set_codec<E4M3Fn, uint8_t>(table, DType::F8E4M3FN);
  set_codec<E5M2, uint8_t>(table, DType::F8E5M2);
  set_codec<E4M3Fnuz, uint8_t>(table, DType::F8E4M3FNUZ);
  set_codec<E5M2Fnuz, uint8_t>(table, DType::F8E5M2FNUZ);
  set_sums<Coded<Bf16, uint16_t>, float>(table, DType::BF16);
  return table;
}

}  // namespace
}  // namespace dlslime::reduce_detail
