// DlslimeWork: torch's view of one operation.
//
// Threads:    every method from any thread; none needs the GIL, and none may be called under the executor's
// token. Ownership:  owns its job; keeps its tensors until settled and its outputs as long as it lives. An
// asynchronous one also keeps
//             itself until the operation is done: callers may drop theirs.
// Errors:     wait() throws what exception() gives; texts name operation, group, rank, engine and peer.
// Units:      milliseconds where torch has them.
// Invariants: completes once: future, profiler's end, hook, in this order. isCompleted() is never true before
// the outputs are there.
#pragma once
#include <torch/version.h>

#include <functional>
#include <memory>
#include <mutex>
#include <torch/csrc/distributed/c10d/Work.hpp>

#include "torch_ext/job.h"
#include "torch_ext/options.h"
#include "torch_ext/tensors.h"

namespace dlslime {

class DlslimeWork final : public c10d::Work, private CompletionThread::Item {
 public:
  struct Hooks {
    std::function<void(std::shared_ptr<c10d::WorkInfo>)> call;
    std::atomic<int> pending{0};
  };
  // Computes the outputs where bytes are not all there is to do.
  using Epilogue = std::function<Tensors(const Job&)>;
  struct Kept {
    Tensors inputs, outputs;
  };

  DlslimeWork(std::unique_ptr<Job> job, c10d::OpType type, const char* title, Kept tensors);
  ~DlslimeWork() override;

  // Before it is issued.
  void after(Epilogue epilogue) { epilogue_ = std::make_unique<Epilogue>(std::move(epilogue)); }
  void report_to(std::shared_ptr<Hooks> hooks) { hooks_ = std::move(hooks); }

  void run();     // on this thread, from start to end; throws when interrupted, not when the operation fails
  void submit();  // in the background

  void allow(std::chrono::milliseconds timeout) {
    timeout_ = timeout;
  }  // for people; the job's deadline is what counts

  // A batch has no job while it is open; waiting for it then means nothing and returns at once.
  void keep(const Tensors& inputs, const Tensors& outputs);
  void close(std::unique_ptr<Job> job);

  bool isCompleted() override;
  bool isSuccess() const override;
  std::exception_ptr exception() const override;
  int sourceRank() const override;
  Tensors result() override;
  void synchronize() override {}
  bool wait(std::chrono::milliseconds timeout = kNoTimeout) override;
  void abort() override;
  c10::intrusive_ptr<c10::ivalue::Future> getFuture() override;
  c10::intrusive_ptr<c10::ivalue::Future> getFutureResult() override;
  float getDuration() const override;
  uint64_t getSequencenumber() const override;
#if DLSLIME_TORCH_AT_LEAST(2, 15)
  std::chrono::milliseconds getTimeout() const override { return timeout_; }
#endif

 private:
  using Future = c10::intrusive_ptr<c10::ivalue::Future>;
  struct Promise {
    Future future;
    bool kept = false;
  };
  const Job& issued() const;
  enum class Outcome : uint8_t { kDone, kLate, kInterrupted };
  Outcome drive(Nanos until, bool begin);
  Outcome wait_until(Nanos until);
  void background();
  void settle() noexcept override;
  bool quiet() noexcept override;
  void settle_or_unclaim();
  void tell_hook();
  void compute_outputs();
  void end_profile();  // before anybody is told of the end: the profiler may be stopped then
  Future future(Promise& promise, c10::TypePtr type);
  void keep(const Promise& promise) const;
  bool settled() const { return epilogue_ ? computed_.load() : job_->done(); }

  std::unique_ptr<Job> job_;
  std::chrono::milliseconds timeout_{0};
  Tensors inputs_, outputs_;
  c10::intrusive_ptr<DlslimeWork> self_;  // while it runs in the background
  std::unique_ptr<Epilogue> epilogue_;
  std::shared_ptr<Hooks> hooks_;
  std::atomic<bool> open_;

  std::mutex lock_;  // of the promises; not held while anything of others is called
  Promise future_, result_;
  const bool profiled_;
  std::once_flag computing_, ending_profile_;
  std::atomic<bool> computed_{false};
  std::exception_ptr epilogue_error_;
};

}  // namespace dlslime
