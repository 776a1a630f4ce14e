#include "reduce/reduce.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

#include "reduce/kernels.h"

namespace dlslime {
namespace {

using namespace reduce_detail;

// A block of accumulators; kMaxFold + 1 of them stay in the first-level cache.
constexpr size_t kScratchBytes = 4096;
constexpr size_t kDirectBytes = 16 * 1024;  // a block where no scratch is used

template <class T>
T* advance(T* base, size_t bytes) {
  using Byte = std::conditional_t<std::is_const_v<T>, const char, char>;
  return static_cast<Byte*>(base) + bytes;
}

size_t index(DType type) { return static_cast<size_t>(type); }

FoldFn fold_of(const Kernels& table, ReduceKind kind, DType type) {
  return table.fold[static_cast<size_t>(kind)][index(type)];
}

// Complex numbers are pairs of their components in everything that has a meaning for them.
DType component_of(DType type) {
  return type == DType::C64 ? DType::F32 : type == DType::C128 ? DType::F64 : type;
}

// One reduction, taken apart: sources of type `from` are decoded and multiplied into scratch where needed,
// folded in the accumulator type, divided and encoded where needed. Walks the arrays once, in blocks that
// stay in cache.
class Pass {
 public:
  Pass(const Reduction& op, DType from, DType to, bool multiply, bool finish);
  void run(std::span<void* const> dsts, std::span<const void* const> sources, size_t count) const;

 private:
  struct Scratch {
    alignas(64) char block[kMaxFold + 1][kScratchBytes];
  };
  void block(Scratch& scratch, void* dst, std::span<const void* const> sources, size_t first,
             size_t count) const;
  const void* operand(char* scratch, const void* source, size_t k, size_t first, size_t count) const;
  bool narrow(size_t sources) const { return narrow_fold_ && sources <= kMaxFold; }
  bool direct(size_t sources) const {
    return narrow(sources) || (!decode_ && !premul_ && !encode_ && sources <= kMaxFold);
  }

  const Reduction& op_;
  size_t from_size_, acc_size_, to_size_, per_element_;
  FoldFn fold_ = nullptr;         // every fold but the last, in the accumulator type
  FoldFn last_ = nullptr;         // the last: Avg divides here
  FoldFn narrow_fold_ = nullptr;  // all of it in one go
  DecodeFn decode_ = nullptr;
  EncodeFn encode_ = nullptr;
  PremulFn premul_ = nullptr;
};

Pass::Pass(const Reduction& op, DType from, DType to, bool multiply, bool finish) : op_(op) {
  if (!meaningful(op.kind, op.dtype)) {
    throw std::invalid_argument(std::string(name_of(op.kind)) + " has no meaning for " + name_of(op.dtype));
  }
  const Kernels& table = kernels();
  const DType acc = component_of(accumulator_of(op.dtype));
  per_element_ = is_complex(op.dtype) ? 2 : 1;
  from = component_of(from);
  to = component_of(to);
  from_size_ = size_of(from);
  acc_size_ = size_of(acc);
  to_size_ = size_of(to);
  const bool divide = finish && op.kind == ReduceKind::Avg;
  const ReduceKind kind =
      op.kind == ReduceKind::Avg || op.kind == ReduceKind::PremulSum ? ReduceKind::Sum : op.kind;
  fold_ = fold_of(table, kind, acc);
  last_ = divide ? fold_of(table, op.kind, acc) : fold_;
  decode_ = table.decode[index(from)];
  encode_ = table.encode[index(to)];
  if (multiply && op.kind == ReduceKind::PremulSum && !op.factors.empty()) premul_ = table.premul[index(acc)];
  if (decode_ && encode_ && !premul_) narrow_fold_ = fold_of(table, divide ? op.kind : kind, from);
}

void Pass::run(std::span<void* const> dsts, std::span<const void* const> sources, size_t count) const {
  if (sources.empty()) throw std::invalid_argument("a reduction needs at least one source");
  count *= per_element_;
  Scratch scratch;
  const size_t step = (direct(sources.size()) ? kDirectBytes : kScratchBytes) / acc_size_;
  for (size_t first = 0; first < count; first += step) {
    const size_t elements = std::min(step, count - first);
    block(scratch, dsts[0], sources, first, elements);
    for (void* const more : dsts.subspan(1))
      std::memcpy(advance(more, first * to_size_), advance(dsts[0], first * to_size_), elements * to_size_);
  }
}

// Source k of this block as accumulators.
const void* Pass::operand(char* scratch, const void* source, size_t k, size_t first, size_t count) const {
  const void* at = advance(source, first * from_size_);
  if (decode_) {
    decode_(reinterpret_cast<float*>(scratch), at, count);
    at = scratch;
  }
  if (premul_ && k < op_.factors.size()) {
    premul_(scratch, at, count, op_.factors[k]);
    at = scratch;
  }
  return at;
}

void Pass::block(Scratch& scratch, void* dst, std::span<const void* const> sources, size_t first,
                 size_t count) const {
  void* const out = advance(dst, first * to_size_);
  if (narrow(sources.size())) {
    const void* codes[kMaxFold];
    for (size_t k = 0; k < sources.size(); ++k) codes[k] = advance(sources[k], first * from_size_);
    return narrow_fold_(out, codes, static_cast<int>(sources.size()), count, op_.divisor);
  }
  void* const partial = scratch.block[kMaxFold];
  const void* inputs[kMaxFold];
  int held = 0;
  for (size_t k = 0; k < sources.size(); ++k) {
    if (held == kMaxFold) {
      // dst may be a source that is still to be read, so partial results stay in scratch.
      fold_(partial, inputs, held, count, 1);
      inputs[0] = partial;
      held = 1;
    }
    inputs[held] = operand(scratch.block[held], sources[k], k, first, count);
    ++held;
  }
  void* const result = encode_ ? partial : out;
  last_(result, inputs, held, count, op_.divisor);
  if (encode_) encode_(out, static_cast<const float*>(result), count);
}

}  // namespace

void reduce(const Reduction& op, void* dst, std::span<const void* const> sources, size_t count) {
  Pass(op, op.dtype, op.dtype, true, true).run({&dst, 1}, sources, count);
}

void reduce(const Reduction& op, std::span<void* const> dsts, std::span<const void* const> sources,
            size_t count) {
  Pass(op, op.dtype, op.dtype, true, true).run(dsts, sources, count);
}

void reduce_partial(const Reduction& op, void* acc, std::span<const void* const> sources, size_t count) {
  Pass(op, op.dtype, accumulator_of(op.dtype), true, false).run({&acc, 1}, sources, count);
}

void merge_partial(const Reduction& op, void* acc, std::span<const void* const> partials, size_t count) {
  const DType type = accumulator_of(op.dtype);
  Pass(op, type, type, false, false).run({&acc, 1}, partials, count);
}

void finish_partial(const Reduction& op, void* dst, const void* acc, size_t count) {
  Pass(op, accumulator_of(op.dtype), op.dtype, false, true).run({&dst, 1}, {&acc, 1}, count);
}

const char* simd_name() { return name_of(simd_level()); }

}  // namespace dlslime
