// The collectives: one coroutine each, over shared pages (local/) or messages (wire/), the same results bit for bit.
//
// Threads:    called as the body of an ordered Operation of the group's scope.
// Ownership:  the buffers belong to the caller and must stay until the operation is done; inputs are not changed.
// Errors:     Failure: kMismatch where ranks call different things; a deadline, abort or peer's death.
// Units:      spans of bytes; sizes are multiples of the element size.
// Invariants: reductions combine ranks 0 .. N-1 in this order, low precision in f32 and rounded once: bit-identical on all ranks.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "base/task.h"
#include "collective/call.h"
#include "collective/group.h"
#include "collective/parts.h"
#include "reduce/reduce.h"

namespace dlslime {

struct ReduceSpec {
  ReduceKind kind = ReduceKind::Sum;
  DType dtype = DType::F32;
  double factor = 1;  // PremulSum: this rank's own
};

Task<> barrier(Group& group);
Task<> broadcast(Group& group, DType dtype, Bytes data, int root, Layout layout = Layout::kRows);
Task<> all_reduce(Group& group, ReduceSpec spec, Bytes data, Layout layout = Layout::kRows);
// As one: what is small costs less together. All ranks must bring parts of the same sizes; they are whole elements and do not overlap.
Task<> all_reduce_together(Group& group, ReduceSpec spec, std::vector<Bytes> parts, Layout layout);
// Elsewhere than at the root `data` is left as it was.
Task<> reduce(Group& group, ReduceSpec spec, Bytes data, int root, Layout layout = Layout::kRows);
Task<> all_gather(Group& group, DType dtype, ConstBytes in, std::span<const Bytes> out);  // sizes may differ
// `out` is read at the root only.
Task<> gather(Group& group, DType dtype, ConstBytes in, std::span<const Bytes> out, int root);
// `in` is read at the root only.
Task<> scatter(Group& group, DType dtype, std::span<const ConstBytes> in, Bytes out, int root);
// The parts may differ in size.
Task<> reduce_scatter(Group& group, ReduceSpec spec, std::span<const ConstBytes> in, Bytes out);
Task<> all_to_all(Group& group, DType dtype, std::span<const ConstBytes> in, std::span<const Bytes> out);

}  // namespace dlslime
