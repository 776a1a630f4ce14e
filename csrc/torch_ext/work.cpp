#include "torch_ext/work.h"

#include <ATen/record_function.h>

#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include "torch_ext/errors.h"
#include "torch_ext/interrupt.h"

namespace dlslime {

using std::chrono::milliseconds;

namespace {

constexpr milliseconds kSlice{kInterruptIntervalMs};

// The base class allocates for a title; without a profiler nobody would look at it.
const char* if_profiled(const char* title) {
  if (!title || !at::hasCallbacks()) [[likely]]
    return nullptr;
  return title;
}

}  // namespace

DlslimeWork::DlslimeWork(std::unique_ptr<Job> job, c10d::OpType type, const char* title, Kept tensors)
    : Work(-1, type, if_profiled(title),
           if_profiled(title)
               ? std::optional<Tensors>(tensors.inputs.empty() ? tensors.outputs : tensors.inputs)
               : std::nullopt),
      job_(std::move(job)),
      inputs_(std::move(tensors.inputs)),
      outputs_(std::move(tensors.outputs)),
      open_(!job_),
      profiled_(bool(recordFunctionEndCallback_)) {}

DlslimeWork::~DlslimeWork() {
  // In a forked child an unfinished operation belongs to the parent; undoing it would speak to the parent's
  // peers.
  if (job_ && !job_->done() && job_->member().process().dead()) (void)job_.release();
}

void DlslimeWork::keep(const Tensors& inputs, const Tensors& outputs) {
  inputs_.insert(inputs_.end(), inputs.begin(), inputs.end());
  outputs_.insert(outputs_.end(), outputs.begin(), outputs.end());
}

void DlslimeWork::close(std::unique_ptr<Job> job) {
  job_ = std::move(job);
  open_ = false;
}

const Job& DlslimeWork::issued() const {
  TORCH_CHECK(!open_,
              "dlslime: this operation is part of a batch that has not ended: call endCoalescing first");
  return *job_;
}

// ---- running ----

void DlslimeWork::background() {
  self_ = c10::intrusive_ptr<DlslimeWork>::reclaim_copy(this);
  job_->settle_by(*this);
  if (!hooks_) return;
  hooks_->pending.fetch_add(1);
  job_->time();
  job_->want_thread();
}

void DlslimeWork::submit() {
  background();
  // What is done before this returns is settled here, this one because it is claimed and earlier ones as our own: waking the
  // completion thread for them would cost more than a small message.
  const bool mine = job_->claim();
  const CompletionThread::Own own(job_->member().process().completion());
  job_->executor().submit(*job_);
  if (mine) settle_or_unclaim();
}

void DlslimeWork::run() {
  if (hooks_) background();
  const Outcome outcome = drive(kNever, true);
  if (outcome == Outcome::kInterrupted) {  // the caller's buffers must be free before the exception leaves
    job_->executor().cancel(*job_, Status(Code::kAborted, "interrupted by a signal"));
    job_->executor().wait(*job_, kNever);
  }
  if (!hooks_) settle();
  if (outcome == Outcome::kInterrupted) rethrow_interrupt();
}

// Advances the job on this thread; now and then looks for Ctrl-C.
DlslimeWork::Outcome DlslimeWork::drive(Nanos until, bool begin) {
  Executor& executor = job_->executor();
  const auto advance = [&](Nanos slice, bool first) {
    const CompletionThread::Own own(job_->member().process().completion());
    return first ? executor.run(*job_, slice) : executor.wait(*job_, slice);
  };
  const Nanos began = executor.clock().now();
  bool done = advance(std::min<Nanos>(until, began + kSlice), begin);
  Nanos now = executor.clock().now();
  bool stopped = false;
  while (!done && now < until && !(stopped = interrupted())) {
    done = advance(std::min<Nanos>(until, now + kSlice), false);
    now = executor.clock().now();
  }
  job_->member().busy_ns.fetch_add((now - began).count(), std::memory_order_relaxed);
  return done ? Outcome::kDone : stopped ? Outcome::kInterrupted : Outcome::kLate;
}

// ---- waiting ----

bool DlslimeWork::isCompleted() {
  if (open_) return false;
  if (!job_->done()) {
    job_->member().process().check_alive();
    job_->member().process().need_progress();
    const CompletionThread::Own own(job_->member().process().completion());
    job_->executor().poll_once();
  }
  if (!settled()) return false;
  end_profile();
  return true;
}

DlslimeWork::Outcome DlslimeWork::wait_until(Nanos until) {
  job_->member().process().check_alive();
  const bool mine = job_->claim();
  const Outcome outcome = drive(until, false);
  if (mine) settle_or_unclaim();
  return outcome;
}

bool DlslimeWork::wait(milliseconds timeout) {
  if (open_) return true;
  // Settling may drop the last other reference.
  const auto self = c10::intrusive_ptr<DlslimeWork>::reclaim_copy(this);
  if (!job_->done()) {
    const Nanos until = timeout.count() > 0 ? deadline_after(job_->executor().clock(), timeout) : kNever;
    const Outcome outcome = wait_until(until);
    if (outcome == Outcome::kInterrupted) rethrow_interrupt();
    if (outcome == Outcome::kLate) {
      const std::string text =
          "wait() ended after " + std::to_string(timeout.count()) + " ms, the operation goes on";
      throw_if_failed(Status(Code::kTimeout, text), job_->describe());
    }
  }
  compute_outputs();
  end_profile();
  if (c10d::allow_inflight_collective_as_graph_input()) c10d::unregister_work(self);
  if (const auto error = exception()) std::rethrow_exception(error);
  return true;
}

void DlslimeWork::abort() {
  if (!issued().done())
    job_->executor().cancel(*job_, Status(Code::kAborted, "the operation was aborted on this rank"));
}

// ---- what it says of itself ----

bool DlslimeWork::isSuccess() const { return !open_ && settled() && job_->status().ok() && !epilogue_error_; }

std::exception_ptr DlslimeWork::exception() const {
  if (open_ || !settled()) return nullptr;
  return epilogue_error_ ? epilogue_error_ : exception_of(*job_);
}

int DlslimeWork::sourceRank() const { return issued().source(); }

Tensors DlslimeWork::result() {
  TORCH_CHECK(!open_ && settled(), "dlslime: result: the operation is not done");
  return outputs_;
}

float DlslimeWork::getDuration() const {
  TORCH_CHECK(issued().done(), "dlslime: getDuration: the operation is not done");
  TORCH_CHECK(job_->ended().count(),
              "dlslime: getDuration: call enableCollectivesTiming before the operation is issued");
  return std::chrono::duration<float, std::milli>(job_->duration()).count();
}

uint64_t DlslimeWork::getSequencenumber() const { return issued().sequence(); }

// ---- settling ----

// By who has claimed the job: what is not done is left to the completion thread.
void DlslimeWork::settle_or_unclaim() {
  if (job_->done() ? job_->owed() : job_->unclaim()) settle();
}

void DlslimeWork::compute_outputs() {
  if (!epilogue_) return;
  std::call_once(computing_, [this] {
    try {
      if (job_->status().ok()) outputs_ = (*epilogue_)(*job_);
    } catch (...) {
      epilogue_error_ = std::current_exception();
    }
    computed_ = true;
  });
}

void DlslimeWork::end_profile() {
  if (profiled_) [[unlikely]]
    std::call_once(ending_profile_, [this] { finish(exception()); });
}

void DlslimeWork::settle() noexcept {
  compute_outputs();
  end_profile();
  if (self_) {
    std::vector<Promise> due;
    {
      const std::lock_guard guard(lock_);
      for (Promise* promise : {&future_, &result_}) {
        if (promise->future && !std::exchange(promise->kept, true)) due.push_back(*promise);
      }
    }
    for (const Promise& promise : due) keep(promise);
  }
  if (hooks_) tell_hook();
  inputs_.clear();
  const auto last = std::move(self_);  // may be the last reference: nothing of this is touched below
}

bool DlslimeWork::quiet() noexcept {
  if (epilogue_ || hooks_) return false;
  const std::lock_guard guard(lock_);
  return !future_.future && !result_.future;
}

void DlslimeWork::tell_hook() {
  using Point = std::chrono::steady_clock::time_point;
  const auto point = [](Nanos at) { return Point(std::chrono::duration_cast<Point::duration>(at)); };
  try {
    hooks_->call(std::make_shared<c10d::WorkInfo>(opType_, job_->sequence(), point(job_->began()),
                                                  point(job_->ended()),
                                                  std::chrono::duration<float>(job_->duration())));
  } catch (const std::exception& error) {
    TORCH_WARN("dlslime: a completion hook failed: ", error.what());
  }
  hooks_->pending.fetch_sub(1);
}

// ---- futures ----

c10::intrusive_ptr<c10::ivalue::Future> DlslimeWork::getFuture() {
  return future(future_, c10::ListType::create(c10::TensorType::get()));
}

c10::intrusive_ptr<c10::ivalue::Future> DlslimeWork::getFutureResult() {
  return future(result_, c10::IntType::get());
}

DlslimeWork::Future DlslimeWork::future(Promise& promise, c10::TypePtr type) {
  if (!issued().done()) {
    job_->member().process().need_progress();
    job_->executor().kick();
  }
  Promise due;
  {
    const std::lock_guard guard(lock_);
    if (!promise.future) promise.future = c10::make_intrusive<c10::ivalue::Future>(std::move(type));
    if (!settled()) job_->want_thread();
    if (!settled() || std::exchange(promise.kept, true)) return promise.future;
    due = promise;
  }
  keep(due);
  return due.future;
}

void DlslimeWork::keep(const Promise& promise) const {
  const Status& status = job_->status();
  if (promise.future->elementType()->kind() == c10::TypeKind::IntType) {
    const auto result = status.ok()                       ? c10d::WorkResult::SUCCESS
                        : status.code() == Code::kTimeout ? c10d::WorkResult::TIMEOUT
                                                          : c10d::WorkResult::COMM_ERROR;
    promise.future->markCompleted(c10::IValue(int64_t(result)));
  } else if (const auto error = exception()) {
    promise.future->setError(error);
  } else {
    promise.future->markCompleted(c10::IValue(outputs_));
  }
}

}  // namespace dlslime
