// DlslimeBackend: c10d's Backend. One file per kind of call: backend.cpp (life and time), backend_groups.cpp (split, merge,
// shrink), backend_reduce.cpp and backend_copy.cpp (collectives), backend_p2p.cpp (messages, batches, barriers).
//
//   state       what holds                                       moved on by
//   ----------  -----------------------------------------------  --------------------------------
//   open        operations run                                   abort(), shutdown()
//   aborted     everything fails, at the peers too               shutdown()
//   shut down   the group is gone; new operations are refused    -
//
// Threads:    every method from any thread, without the GIL where torch calls it so; a batch holds what the thread
//             that opened it issues, other threads go on as ever.
// Ownership:  shares the member with its works, which may outlive it.
// Errors:     arguments: ValueError / TypeError before anything is posted. Operations: by the Work.
// Units:      milliseconds.
// Invariants: collectives are issued in call order. abort() and shutdown() are idempotent and bounded; so is the destructor.
#pragma once
#include <map>
#include <mutex>
#include <thread>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "torch_ext/jobs.h"
#include "torch_ext/member.h"
#include "torch_ext/options.h"
#include "torch_ext/rendezvous.h"
#include "torch_ext/work.h"

namespace dlslime {

class DlslimeBackend final : public c10d::Backend {
 public:
  using WorkPtr = c10::intrusive_ptr<c10d::Work>;
  using Milliseconds = std::chrono::milliseconds;
  using BackendPtr = c10::intrusive_ptr<c10d::Backend>;
  using OptionsPtr = c10::intrusive_ptr<c10d::Backend::Options>;

  // Meets the others in the store; blocks until all have come.
  static c10::intrusive_ptr<DlslimeBackend> create(StorePtr store, int rank, int size, DlslimeOptions options,
                                                   StorePtr world = nullptr);
  DlslimeBackend(std::shared_ptr<Member> member, StorePtr store, StorePtr world, DlslimeOptions options);
  ~DlslimeBackend() override;

  std::map<std::string, std::string> report() const;
  std::string plan() const { return member_->plan().text(); }
  double comm_seconds() const;

  const std::string getBackendName() const override { return kBackendName; }
  OptionsPtr getBackendOptions() override;
  bool supportsSplitting() const override { return true; }
  bool supportsCoalescing() const override { return true; }
  bool supportsShrinking() const override { return true; }

  WorkPtr allreduce(Tensors& tensors, const c10d::AllreduceOptions& opts) override;
  WorkPtr allreduce_sparse(Tensors& tensors, const c10d::AllreduceOptions& opts) override;
  WorkPtr allreduce_coalesced(Tensors& tensors, const c10d::AllreduceCoalescedOptions& opts) override;
  WorkPtr reduce(Tensors& tensors, const c10d::ReduceOptions& opts) override;
  WorkPtr reduce_scatter(Tensors& outputs, std::vector<Tensors>& inputs,
                         const c10d::ReduceScatterOptions& opts) override;
  WorkPtr _reduce_scatter_base(at::Tensor& output, at::Tensor& input,
                               const c10d::ReduceScatterOptions& opts) override;
  WorkPtr reduce_scatter_tensor_coalesced(Tensors& outputs, Tensors& inputs,
                                          const c10d::ReduceScatterOptions& opts) override;

  WorkPtr broadcast(Tensors& tensors, const c10d::BroadcastOptions& opts) override;
  WorkPtr allgather(std::vector<Tensors>& outputs, Tensors& inputs,
                    const c10d::AllgatherOptions& opts) override;
  WorkPtr _allgather_base(at::Tensor& output, at::Tensor& input, const c10d::AllgatherOptions& opts) override;
  WorkPtr allgather_coalesced(std::vector<Tensors>& outputs, Tensors& inputs,
                              const c10d::AllgatherOptions& opts) override;
  WorkPtr allgather_into_tensor_coalesced(Tensors& outputs, Tensors& inputs,
                                          const c10d::AllgatherOptions& opts) override;
  WorkPtr gather(std::vector<Tensors>& outputs, Tensors& inputs, const c10d::GatherOptions& opts) override;
#if DLSLIME_TORCH_AT_LEAST(2, 15)
  WorkPtr gather_into_tensor(at::Tensor& output, at::Tensor& input, const c10d::GatherOptions& opts) override;
#endif
  WorkPtr scatter(Tensors& outputs, std::vector<Tensors>& inputs, const c10d::ScatterOptions& opts) override;
  WorkPtr alltoall(Tensors& outputs, Tensors& inputs, const c10d::AllToAllOptions& opts) override;
  WorkPtr alltoall_base(at::Tensor& output, at::Tensor& input, std::vector<int64_t>& output_splits,
                        std::vector<int64_t>& input_splits, const c10d::AllToAllOptions& opts) override;

  WorkPtr send(Tensors& tensors, int peer, int tag) override;
  WorkPtr recv(Tensors& tensors, int peer, int tag) override;
  WorkPtr recvAnysource(Tensors& tensors, int tag) override;
  WorkPtr barrier(const c10d::BarrierOptions& opts) override;
  void monitoredBarrier(const c10d::BarrierOptions& opts, bool wait_all_ranks) override;
  void startCoalescing() override;
  WorkPtr endCoalescing() override;

  BackendPtr split(const StorePtr& store, const std::vector<int>& ranks, const OptionsPtr& opts) override;
  BackendPtr merge(const StorePtr& store, const OptionsPtr& opts, const int& rank, const int& size) override;
  BackendPtr shrink(const std::vector<int64_t>& excluded, int flags, const OptionsPtr& opts) override;

  void setTimeout(Milliseconds timeout) override;
  void setSequenceNumberForGroup() override {}  // every rank counts alike from 0
  uint64_t getSequenceNumberForGroup() override { return member_->sequence(); }
  void registerOnCompletionHook(std::function<void(std::shared_ptr<c10d::WorkInfo>)>&& hook) override;
  void waitForPendingWorks() override;
  void enableCollectivesTiming() override { timing_ = true; }
  c10d::ErrorType getError() override;
  void abort() override;
  void shutdown() override;

  std::shared_ptr<c10::Allocator> getMemAllocator() override;
  at::Tensor allocateTensor(long size, at::TensorOptions options) override;
  bool supportsTensorAlloc(c10::DeviceIndex) override { return true; }

 private:
  struct Batch {
    BatchJob::Parts parts;
    c10::intrusive_ptr<DlslimeWork> work;
  };
  struct Terms {  // how a call is issued
    c10d::OpType type;
    const char* title;
    Milliseconds timeout;
    bool background;
  };

  Checker check(const char* call) const { return {call, rank_, size_}; }
  void check_usable() const;
  std::shared_ptr<Member> enter() const;  // throws where nothing can be issued; the job gives it back
  void describe_group() const;
  Deadline deadline(Milliseconds timeout) const;
  WorkPtr issue(CollectiveArgs args, Terms terms, DlslimeWork::Kept tensors);
  WorkPtr issue(std::vector<CollectiveArgs> all, Terms terms, DlslimeWork::Kept tensors);
  WorkPtr issue(Message message, c10d::OpType type, const char* title, const at::Tensor& tensor);
  c10::intrusive_ptr<DlslimeWork> start(std::unique_ptr<Job> job, Terms terms, DlslimeWork::Kept tensors,
                                        DlslimeWork::Epilogue epilogue = nullptr);
  bool batching() const;  // this thread has opened a batch
  WorkPtr add_to_batch(BatchJob::Parts parts, const DlslimeWork::Kept& tensors);
  Batch take_batch();
  BackendPtr take(const StorePtr& store, const std::vector<int>& ranks, const OptionsPtr& opts,
                  StorePtr world);
  BackendPtr derive(const StorePtr& store, int rank, int size, const OptionsPtr& opts,
                    std::vector<uint64_t> global_ranks, StorePtr world);

  const std::shared_ptr<Member> member_;
  const StorePtr store_, world_;
  mutable std::mutex mutex_;  // of options_ and batches_
  DlslimeOptions options_;
  std::map<std::thread::id, Batch> batches_;  // open ones, by who opened them
  std::atomic<size_t> open_batches_{0};
  std::atomic<int64_t> timeout_ms_;
  std::atomic<bool> timing_{false};
  std::shared_ptr<DlslimeWork::Hooks> hooks_;
  std::atomic<uint64_t> monitored_{0};
  std::atomic<int> shrunk_{0};
};

}  // namespace dlslime
