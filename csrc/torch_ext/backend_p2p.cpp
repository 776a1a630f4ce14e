// Messages, batches and barriers.
#include "torch_ext/backend.h"
#include "torch_ext/errors.h"

namespace dlslime {

using c10d::OpType;

// ---- messages ----

DlslimeBackend::WorkPtr DlslimeBackend::issue(Message message, OpType type, const char* title,
                                              const at::Tensor& tensor) {
  message.bytes = bytes_of(tensor);
  DlslimeWork::Kept kept{{}, {tensor}};
  if (batching()) {
    BatchJob::Parts parts;
    parts.messages.push_back(message);
    return add_to_batch(std::move(parts), kept);
  }
  auto job = std::make_unique<MessageJob>(enter(), deadline(c10d::kUnsetTimeout), message);
  return start(std::move(job), {type, title, c10d::kUnsetTimeout, true}, std::move(kept));
}

DlslimeBackend::WorkPtr DlslimeBackend::send(Tensors& tensors, int peer, int tag) {
  const Checker call = check("send");
  call.one(tensors.size(), "tensor");
  call.dense_in_any_format(tensors[0]);
  call.peer(peer, "destination rank");
  call.tag(tag);
  return issue(Message{true, peer, tag, {}}, OpType::SEND, "dlslime:send", tensors[0]);
}

DlslimeBackend::WorkPtr DlslimeBackend::recv(Tensors& tensors, int peer, int tag) {
  const Checker call = check("recv");
  call.one(tensors.size(), "tensor");
  call.dense_in_any_format(tensors[0]);
  call.peer(peer, "source rank");
  call.tag(tag);
  return issue(Message{false, peer, tag, {}}, OpType::RECV, "dlslime:recv", tensors[0]);
}

DlslimeBackend::WorkPtr DlslimeBackend::recvAnysource(Tensors& tensors, int tag) {
  const Checker call = check("recv");
  call.one(tensors.size(), "tensor");
  call.dense_in_any_format(tensors[0]);
  call.tag(tag);
  return issue(Message{false, RecvRequest::kAnySource, tag, {}}, OpType::RECVANYSOURCE,
               "dlslime:recvAnySource", tensors[0]);
}

// ---- batches ----

bool DlslimeBackend::batching() const {
  if (open_batches_.load(std::memory_order_relaxed) == 0) return false;
  const std::lock_guard lock(mutex_);
  return batches_.contains(std::this_thread::get_id());
}

void DlslimeBackend::startCoalescing() {
  check_usable();
  const std::lock_guard lock(mutex_);
  const auto [batch, fresh] = batches_.try_emplace(std::this_thread::get_id());
  TORCH_CHECK(fresh, "dlslime: startCoalescing: this thread has a batch open already");
  batch->second.work =
      c10::make_intrusive<DlslimeWork>(nullptr, OpType::COALESCED, "dlslime:coalesced", DlslimeWork::Kept{});
  open_batches_ = batches_.size();
}

DlslimeBackend::WorkPtr DlslimeBackend::add_to_batch(BatchJob::Parts parts,
                                                     const DlslimeWork::Kept& tensors) {
  const std::lock_guard lock(mutex_);
  Batch& batch = batches_.at(std::this_thread::get_id());
  auto& all = batch.parts;
  all.messages.insert(all.messages.end(), parts.messages.begin(), parts.messages.end());
  for (CollectiveArgs& args : parts.collectives) all.collectives.push_back(std::move(args));
  batch.work->keep(tensors.inputs, tensors.outputs);
  return batch.work;
}

DlslimeBackend::Batch DlslimeBackend::take_batch() {
  const std::lock_guard lock(mutex_);
  auto batch = batches_.extract(std::this_thread::get_id());
  TORCH_CHECK(!batch.empty(), "dlslime: endCoalescing without startCoalescing on this thread");
  open_batches_ = batches_.size();
  return std::move(batch.mapped());
}

DlslimeBackend::WorkPtr DlslimeBackend::endCoalescing() {
  auto batch = take_batch();
  check_apart(batch.parts.collectives);
  auto member = enter();
  uint64_t number = member->number(batch.parts.collectives.size());
  for (CollectiveArgs& args : batch.parts.collectives) args.sequence = number++;
  auto job =
      std::make_unique<BatchJob>(std::move(member), deadline(c10d::kUnsetTimeout), std::move(batch.parts));
  if (timing_) job->time();
  if (hooks_) batch.work->report_to(hooks_);
  batch.work->close(std::move(job));
  batch.work->submit();
  return batch.work;
}

// ---- barriers ----

DlslimeBackend::WorkPtr DlslimeBackend::barrier(const c10d::BarrierOptions& opts) {
  TORCH_CHECK_VALUE(!opts.device || opts.device->is_cpu(), "dlslime: barrier on ", *opts.device,
                    "; devices served: cpu");
  return issue(CollectiveArgs{}, {OpType::BARRIER, "dlslime:barrier", opts.timeout, opts.asyncOp}, {});
}

void DlslimeBackend::monitoredBarrier(const c10d::BarrierOptions& opts, bool wait_all_ranks) {
  TORCH_CHECK(!batching(), "dlslime: monitoredBarrier can't be part of a batch");
  MonitoredBarrierJob::Terms terms;
  terms.number = ++monitored_;
  terms.timeout = opts.timeout == c10d::kUnsetTimeout ? Milliseconds(timeout_ms_.load()) : opts.timeout;
  terms.name_all = wait_all_ranks;
  auto job = std::make_unique<MonitoredBarrierJob>(enter(), deadline(terms.timeout), terms);
  start(std::move(job), {OpType::BARRIER, "dlslime:monitored_barrier", terms.timeout, false}, {})->wait();
}

}  // namespace dlslime
