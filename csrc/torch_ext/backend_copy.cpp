// The collectives that only move bytes.
#include <algorithm>

#include "torch_ext/backend.h"

namespace dlslime {

using c10d::OpType;

namespace {

CollectiveArgs copying(CollectiveKind kind, const at::Tensor& like, int64_t root = -1) {
  CollectiveArgs args;
  args.kind = kind;
  args.spec.dtype = dtype_of(like);
  args.root = int(root);
  return args;
}

Tensors flat(const std::vector<Tensors>& lists) {
  Tensors all;
  for (const Tensors& list : lists) all.insert(all.end(), list.begin(), list.end());
  return all;
}

CollectiveArgs gather_args(const Checker& check, const at::Tensor& output, const at::Tensor& input) {
  check.dense(output);
  check.dense(input);
  check.multiple(output, input, "the output");
  CollectiveArgs args = copying(CollectiveKind::kAllGather, input);
  args.input = bytes_of(input);
  args.outputs = slices(output, check.size());
  return args;
}

CollectiveArgs gather_args(const Checker& check, const Tensors& outputs, const at::Tensor& input) {
  check.dense(input);
  check.list(outputs, "output tensor");
  for (const at::Tensor& output : outputs) check.same_type(output, input);
  check.same_size(outputs[size_t(check.rank())], input, "this rank's output");
  CollectiveArgs args = copying(CollectiveKind::kAllGather, input);
  args.input = bytes_of(input);
  args.outputs = bytes_of(outputs);
  return args;
}

void same_count(const Checker& check, size_t outputs, size_t inputs) {
  TORCH_CHECK_VALUE(outputs == inputs, "dlslime: ", check.call(), " takes as many inputs as outputs, got ",
                    inputs, " and ", outputs);
}

void nothing(const Checker& check, const std::vector<Tensors>& lists, const char* what) {
  TORCH_CHECK_VALUE(flat(lists).empty(), "dlslime: ", check.call(), ": only the root gives ", what, ", rank ",
                    check.rank(), " gave ", flat(lists).size());
}

}  // namespace

DlslimeBackend::WorkPtr DlslimeBackend::broadcast(Tensors& tensors, const c10d::BroadcastOptions& opts) {
  const Checker call = check("broadcast");
  call.one(tensors.size(), "tensor");
  call.root(opts.rootRank, opts.rootTensor);
  call.dense_in_any_format(tensors[0]);
  CollectiveArgs args = copying(CollectiveKind::kBroadcast, tensors[0], opts.rootRank);
  args.output = bytes_of(tensors[0]);
  args.layout = layout_of(tensors[0]);
  return issue(std::move(args), {OpType::BROADCAST, "dlslime:broadcast", opts.timeout, opts.asyncOp},
               {{}, tensors});
}

DlslimeBackend::WorkPtr DlslimeBackend::allgather(std::vector<Tensors>& outputs, Tensors& inputs,
                                                  const c10d::AllgatherOptions& opts) {
  const Checker call = check("all_gather");
  call.one(inputs.size(), "input tensor");
  call.dense(inputs[0]);
  call.one(outputs.size(), "list of output tensors");
  CollectiveArgs args = gather_args(call, outputs[0], inputs[0]);
  return issue(std::move(args), {OpType::ALLGATHER, "dlslime:all_gather", opts.timeout, opts.asyncOp},
               {inputs, outputs[0]});
}

DlslimeBackend::WorkPtr DlslimeBackend::_allgather_base(at::Tensor& output, at::Tensor& input,
                                                        const c10d::AllgatherOptions& opts) {
  CollectiveArgs args = gather_args(check("all_gather_into_tensor"), output, input);
  return issue(std::move(args),
               {OpType::_ALLGATHER_BASE, "dlslime:_all_gather_base", opts.timeout, opts.asyncOp},
               {{input}, {output}});
}

// outputs[rank][i] takes rank's inputs[i].
DlslimeBackend::WorkPtr DlslimeBackend::allgather_coalesced(std::vector<Tensors>& outputs, Tensors& inputs,
                                                            const c10d::AllgatherOptions& opts) {
  const Checker call = check("all_gather_coalesced");
  TORCH_CHECK_VALUE(outputs.size() == size_t(size_), "dlslime: ", call.call(),
                    " takes one list per rank: ", size_, ", got ", outputs.size());
  std::vector<CollectiveArgs> all;
  for (size_t i = 0; i < inputs.size(); ++i) {
    Tensors column;
    for (const Tensors& list : outputs) {
      same_count(call, list.size(), inputs.size());
      column.push_back(list[i]);
    }
    all.push_back(gather_args(call, column, inputs[i]));
  }
  return issue(std::move(all),
               {OpType::ALLGATHER_COALESCED, "dlslime:all_gather_coalesced", opts.timeout, opts.asyncOp},
               {inputs, flat(outputs)});
}

DlslimeBackend::WorkPtr DlslimeBackend::allgather_into_tensor_coalesced(Tensors& outputs, Tensors& inputs,
                                                                        const c10d::AllgatherOptions& opts) {
  const Checker call = check("all_gather_into_tensor_coalesced");
  same_count(call, outputs.size(), inputs.size());
  std::vector<CollectiveArgs> all;
  for (size_t i = 0; i < outputs.size(); ++i) all.push_back(gather_args(call, outputs[i], inputs[i]));
  return issue(
      std::move(all),
      {OpType::ALLGATHER_COALESCED, "dlslime:all_gather_into_tensor_coalesced", opts.timeout, opts.asyncOp},
      {inputs, outputs});
}

DlslimeBackend::WorkPtr DlslimeBackend::gather(std::vector<Tensors>& outputs, Tensors& inputs,
                                               const c10d::GatherOptions& opts) {
  const Checker call = check("gather");
  call.root(opts.rootRank);
  call.one(inputs.size(), "input tensor");
  call.dense(inputs[0]);
  CollectiveArgs args = copying(CollectiveKind::kGather, inputs[0], opts.rootRank);
  args.input = bytes_of(inputs[0]);
  if (opts.rootRank == rank_) {
    call.lists(outputs, "output tensor");
    for (const at::Tensor& output : outputs[0]) call.same_size(output, inputs[0], "an output");
    args.outputs = bytes_of(outputs[0]);
  } else {
    nothing(call, outputs, "outputs");
  }
  return issue(std::move(args), {OpType::GATHER, "dlslime:gather", opts.timeout, opts.asyncOp},
               {inputs, flat(outputs)});
}

#if DLSLIME_TORCH_AT_LEAST(2, 15)
DlslimeBackend::WorkPtr DlslimeBackend::gather_into_tensor(at::Tensor& output, at::Tensor& input,
                                                           const c10d::GatherOptions& opts) {
  const Checker call = check("gather_into_tensor");
  call.root(opts.rootRank);
  call.dense(input);
  CollectiveArgs args = copying(CollectiveKind::kGather, input, opts.rootRank);
  args.input = bytes_of(input);
  Tensors outputs;
  if (opts.rootRank == rank_) {
    call.dense(output);
    call.multiple(output, input, "the output");
    args.outputs = slices(output, size_);
    outputs.push_back(output);
  }
  return issue(std::move(args), {OpType::GATHER, "dlslime:gather", opts.timeout, opts.asyncOp},
               {{input}, outputs});
}
#endif

DlslimeBackend::WorkPtr DlslimeBackend::scatter(Tensors& outputs, std::vector<Tensors>& inputs,
                                                const c10d::ScatterOptions& opts) {
  const Checker call = check("scatter");
  call.root(opts.rootRank);
  call.one(outputs.size(), "output tensor");
  call.dense(outputs[0]);
  CollectiveArgs args = copying(CollectiveKind::kScatter, outputs[0], opts.rootRank);
  args.output = bytes_of(outputs[0]);
  if (opts.rootRank == rank_) {
    call.lists(inputs, "input tensor");
    for (const at::Tensor& input : inputs[0]) call.same_size(input, outputs[0], "an input");
    args.inputs = const_bytes_of(inputs[0]);
  } else {
    nothing(call, inputs, "inputs");
  }
  return issue(std::move(args), {OpType::SCATTER, "dlslime:scatter", opts.timeout, opts.asyncOp},
               {flat(inputs), outputs});
}

DlslimeBackend::WorkPtr DlslimeBackend::alltoall(Tensors& outputs, Tensors& inputs,
                                                 const c10d::AllToAllOptions& opts) {
  const Checker call = check("all_to_all");
  call.list(outputs, "output tensor");
  call.list(inputs, "input tensor");
  for (const at::Tensor& tensor : inputs) call.same_type(inputs[0], tensor);
  for (const at::Tensor& tensor : outputs) call.same_type(tensor, inputs[0]);
  call.same_size(outputs[size_t(rank_)], inputs[size_t(rank_)], "this rank's output");
  CollectiveArgs args = copying(CollectiveKind::kAllToAll, inputs[0]);
  Tensors sources = inputs;
  for (at::Tensor& source : sources) {  // what is sent must not be received over
    const auto hit = [&source](const at::Tensor& output) { return overlap(source, output); };
    if (std::ranges::any_of(outputs, hit)) source = source.clone();
  }
  args.inputs = const_bytes_of(sources);
  args.outputs = bytes_of(outputs);
  return issue(std::move(args), {OpType::ALLTOALL, "dlslime:all_to_all", opts.timeout, opts.asyncOp},
               {sources, outputs});
}

DlslimeBackend::WorkPtr DlslimeBackend::alltoall_base(at::Tensor& output, at::Tensor& input,
                                                      std::vector<int64_t>& output_splits,
                                                      std::vector<int64_t>& input_splits,
                                                      const c10d::AllToAllOptions& opts) {
  const Checker call = check("all_to_all_single");
  call.dense(output);
  call.dense(input);
  call.same_type(output, input);
  CollectiveArgs args = copying(CollectiveKind::kAllToAll, input);
  // What is sent must not be received over.
  const at::Tensor source = overlap(input, output) ? input.clone() : input;
  const std::vector<Bytes> from = dlslime::split(call, source, input_splits, "input");
  args.inputs.assign(from.begin(), from.end());
  args.outputs = dlslime::split(call, output, output_splits, "output");
  const size_t kept = args.inputs[size_t(rank_)].size(), room = args.outputs[size_t(rank_)].size();
  TORCH_CHECK_VALUE(kept == room, "dlslime: ", call.call(), ": rank ", rank_, " sends itself ", kept,
                    " bytes and expects ", room);
  return issue(std::move(args), {OpType::ALLTOALL_BASE, "dlslime:all_to_all", opts.timeout, opts.asyncOp},
               {{source}, {output}});
}

}  // namespace dlslime
