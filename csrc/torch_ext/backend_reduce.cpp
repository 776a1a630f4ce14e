// The collectives that reduce.
#include "torch_ext/backend.h"

namespace dlslime {

using c10d::OpType;

namespace {

CollectiveArgs reducing(CollectiveKind kind, const ReduceSpec& spec) {
  CollectiveArgs args;
  args.kind = kind;
  args.reduces = true;
  args.spec = spec;
  return args;
}

void check_scatter(const Checker& check, const at::Tensor& output, const at::Tensor& input) {
  check.dense(output);
  check.dense(input);
  check.multiple(input, output, "the input");
}

CollectiveArgs scatter_args(const ReduceSpec& spec, const at::Tensor& output, const at::Tensor& input,
                            int size) {
  CollectiveArgs args = reducing(CollectiveKind::kReduceScatter, spec);
  args.inputs = const_slices(input, size);
  args.output = bytes_of(output);
  return args;
}

}  // namespace

DlslimeBackend::WorkPtr DlslimeBackend::allreduce(Tensors& tensors, const c10d::AllreduceOptions& opts) {
  const Checker call = check("all_reduce");
  call.one(tensors.size(), "tensor");
  if (tensors[0].is_sparse()) return allreduce_sparse(tensors, opts);
  call.dense_in_any_format(tensors[0]);
  CollectiveArgs args = reducing(CollectiveKind::kAllReduce, call.reduction(opts.reduceOp, tensors[0]));
  args.output = bytes_of(tensors[0]);
  args.layout = layout_of(tensors[0]);
  return issue(std::move(args), {OpType::ALLREDUCE, "dlslime:all_reduce", opts.timeout, opts.asyncOp},
               {{}, tensors});
}

DlslimeBackend::WorkPtr DlslimeBackend::allreduce_coalesced(Tensors& tensors,
                                                            const c10d::AllreduceCoalescedOptions& opts) {
  const Checker call = check("all_reduce_coalesced");
  std::vector<CollectiveArgs> all;
  all.reserve(tensors.size());
  for (const at::Tensor& tensor : tensors) {
    call.dense_in_any_format(tensor);
    call.same_type(tensors[0], tensor);
    all.push_back(reducing(CollectiveKind::kAllReduce, call.reduction(opts.reduceOp, tensor)));
    all.back().output = bytes_of(tensor);
    all.back().layout = layout_of(tensor);
  }
  return issue(std::move(all),
               {OpType::ALLREDUCE_COALESCED, "dlslime:all_reduce_coalesced", opts.timeout, opts.asyncOp},
               {{}, tensors});
}

DlslimeBackend::WorkPtr DlslimeBackend::reduce(Tensors& tensors, const c10d::ReduceOptions& opts) {
  const Checker call = check("reduce");
  call.one(tensors.size(), "tensor");
  call.root(opts.rootRank, opts.rootTensor);
  call.dense_in_any_format(tensors[0]);
  CollectiveArgs args = reducing(CollectiveKind::kReduce, call.reduction(opts.reduceOp, tensors[0]));
  args.output = bytes_of(tensors[0]);
  args.layout = layout_of(tensors[0]);
  args.root = int(opts.rootRank);
  return issue(std::move(args), {OpType::REDUCE, "dlslime:reduce", opts.timeout, opts.asyncOp},
               {{}, tensors});
}

DlslimeBackend::WorkPtr DlslimeBackend::reduce_scatter(Tensors& outputs, std::vector<Tensors>& inputs,
                                                       const c10d::ReduceScatterOptions& opts) {
  const Checker call = check("reduce_scatter");
  call.one(outputs.size(), "output tensor");
  call.dense(outputs[0]);
  call.lists(inputs, "input tensor");
  for (const at::Tensor& input : inputs[0]) call.same_type(outputs[0], input);
  call.same_size(outputs[0], inputs[0][size_t(rank_)], "the output");
  CollectiveArgs args = reducing(CollectiveKind::kReduceScatter, call.reduction(opts.reduceOp, outputs[0]));
  args.inputs = const_bytes_of(inputs[0]);
  args.output = bytes_of(outputs[0]);
  return issue(std::move(args),
               {OpType::REDUCE_SCATTER, "dlslime:reduce_scatter", opts.timeout, opts.asyncOp},
               {inputs[0], outputs});
}

DlslimeBackend::WorkPtr DlslimeBackend::_reduce_scatter_base(at::Tensor& output, at::Tensor& input,
                                                             const c10d::ReduceScatterOptions& opts) {
  const Checker call = check("reduce_scatter_tensor");
  check_scatter(call, output, input);
  CollectiveArgs args = scatter_args(call.reduction(opts.reduceOp, output), output, input, size_);
  return issue(std::move(args),
               {OpType::_REDUCE_SCATTER_BASE, "dlslime:_reduce_scatter_base", opts.timeout, opts.asyncOp},
               {{input}, {output}});
}

DlslimeBackend::WorkPtr DlslimeBackend::reduce_scatter_tensor_coalesced(
    Tensors& outputs, Tensors& inputs, const c10d::ReduceScatterOptions& opts) {
  const Checker call = check("reduce_scatter_tensor_coalesced");
  TORCH_CHECK_VALUE(outputs.size() == inputs.size(), "dlslime: ", call.call(),
                    " takes as many inputs as outputs, got ", inputs.size(), " and ", outputs.size());
  std::vector<CollectiveArgs> all;
  for (size_t i = 0; i < outputs.size(); ++i) {
    check_scatter(call, outputs[i], inputs[i]);
    all.push_back(scatter_args(call.reduction(opts.reduceOp, outputs[i]), outputs[i], inputs[i], size_));
  }
  return issue(std::move(all),
               {OpType::REDUCE_SCATTER_TENSOR_COALESCED, "dlslime:reduce_scatter_tensor_coalesced",
                opts.timeout, opts.asyncOp},
               {inputs, outputs});
}

}  // namespace dlslime
