// all_reduce of sparse (COO) tensors: everybody gets everybody's indices and values and adds them up.
#include "torch_ext/backend.h"

namespace dlslime {
namespace {

struct Meaning {
  at::Tensor tensor;  // the caller's: takes the result
  c10::IntArrayRef sizes;
  int64_t sparse_dim, dense_dim;
  at::TensorOptions values;
};

at::Tensor piece_of(const SparseGatherJob::Piece& piece, const Meaning& like) {
  const size_t index_row = size_t(like.sparse_dim) * sizeof(int64_t);
  size_t value_row = like.values.dtype().itemsize();
  for (const int64_t size : like.sizes.slice(like.sizes.size() - size_t(like.dense_dim)))
    value_row *= size_t(size);
  // Without sparse dimensions there are no indices, and as many values as there are rows of them.
  const size_t count = index_row   ? piece.indices.size() / index_row
                       : value_row ? piece.values.size() / value_row
                                   : 0;
  TORCH_CHECK(piece.indices.size() == count * index_row && piece.values.size() == count * value_row,
              "dlslime: all_reduce (sparse): a rank sent ", piece.indices.size(), " bytes of indices and ",
              piece.values.size(), " of values");
  std::vector<int64_t> value_sizes{int64_t(count)};
  value_sizes.insert(value_sizes.end(), like.sizes.end() - like.dense_dim, like.sizes.end());
  at::Tensor indices = at::empty({like.sparse_dim, int64_t(count)}, at::kLong);
  at::Tensor values = at::empty(value_sizes, like.values);
  if (!piece.indices.empty()) std::memcpy(indices.data_ptr(), piece.indices.data(), piece.indices.size());
  if (!piece.values.empty()) std::memcpy(values.data_ptr(), piece.values.data(), piece.values.size());
  return at::_sparse_coo_tensor_unsafe(indices, values, like.sizes, values.options().layout(at::kSparse));
}

// In rank order, so that every rank rounds alike.
Tensors add_up(const Job& job, at::Tensor tensor) {
  const at::NoGradGuard no_grad;
  const std::vector<int64_t> sizes = tensor.sizes().vec();
  const Meaning like{tensor, sizes, tensor.sparse_dim(), tensor.dense_dim(), tensor._values().options()};
  const auto& pieces = static_cast<const SparseGatherJob&>(job).pieces();
  std::vector<at::Tensor> indices, values;
  for (const auto& piece : pieces) {
    const at::Tensor one = piece_of(piece, like);
    indices.push_back(one._indices());
    values.push_back(one._values());
  }
  const at::Tensor all = at::_sparse_coo_tensor_unsafe(at::cat(indices, 1), at::cat(values, 0), sizes,
                                                       like.values.layout(at::kSparse));
  tensor.copy_(all.coalesce());
  return {tensor};
}

}  // namespace

DlslimeBackend::WorkPtr DlslimeBackend::allreduce_sparse(Tensors& tensors,
                                                         const c10d::AllreduceOptions& opts) {
  const Checker call = check("all_reduce (sparse)");
  call.one(tensors.size(), "tensor");
  at::Tensor tensor = tensors[0];
  TORCH_CHECK_VALUE(tensor.layout() == at::kSparse && tensor.is_cpu(), "dlslime: ", call.call(),
                    " needs a COO tensor on cpu, got ", tensor.layout(), " on ", tensor.device());
  TORCH_CHECK_VALUE(opts.reduceOp.op_ == c10d::ReduceOp::SUM, "dlslime: ", call.call(), " can only sum");
  TORCH_CHECK(!batching(), "dlslime: ", call.call(), " can't be part of a batch");
  const at::Tensor own = tensor.coalesce();
  const at::Tensor indices = own.indices().contiguous(), values = own.values().contiguous();
  (void)call.reduction(opts.reduceOp, values);
  SparseGatherJob::Input input;
  input.dtype = dtype_of(values);
  input.indices = bytes_of(indices);
  input.values = bytes_of(values);
  input.shape = {own.sparse_dim(), own.dense_dim()};
  input.shape.insert(input.shape.end(), own.sizes().begin(), own.sizes().end());
  auto member = enter();
  input.sequence = member->number(SparseGatherJob::kCollectives);
  auto job = std::make_unique<SparseGatherJob>(std::move(member), deadline(opts.timeout), std::move(input));
  return start(std::move(job),
               {c10d::OpType::_ALLREDUCE_SPARSE, "dlslime:sparse_all_reduce", opts.timeout, opts.asyncOp},
               {{indices, values}, {tensor}}, [tensor](const Job& done) { return add_up(done, tensor); });
}

}  // namespace dlslime
