// A c10d backend that does nothing: what a call of torch.distributed costs before any backend has begun.
//
// Threads:    any; there is no state.
// Ownership:  a future keeps the tensors that it completes with, as every backend's does.
// Invariants: every Work is complete when it is returned; no tensor is read or written.
#include <torch/csrc/utils/pybind.h>

#include <torch/csrc/distributed/c10d/Backend.hpp>

namespace {

using c10d::Work;
using WorkPtr = c10::intrusive_ptr<Work>;
using Tensors = std::vector<at::Tensor>;

class Done final : public Work {
 public:
  explicit Done(const Tensors* tensors) {
    if (tensors) tensors_ = *tensors;
  }
  bool isCompleted() override { return true; }
  bool isSuccess() const override { return true; }
  bool wait(std::chrono::milliseconds) override { return true; }
  void synchronize() override {}
  Tensors result() override { return tensors_; }
  c10::intrusive_ptr<c10::ivalue::Future> getFuture() override {
    auto future = c10::make_intrusive<c10::ivalue::Future>(c10::ListType::create(c10::TensorType::get()));
    future->markCompleted(c10::IValue(tensors_));
    return future;
  }

 private:
  Tensors tensors_;
};

// A synchronous call's Work is waited for and dropped: it need not know its tensors.
template <class Options>
WorkPtr done(const Tensors& tensors, const Options& options) {
  return c10::make_intrusive<Done>(options.asyncOp ? &tensors : nullptr);
}
WorkPtr done() { return c10::make_intrusive<Done>(nullptr); }

class Floor final : public c10d::Backend {
 public:
  Floor(int rank, int size) : Backend(rank, size) { init(); }
  const std::string getBackendName() const override { return "floor"; }
  c10::intrusive_ptr<Options> getBackendOptions() override { return c10::make_intrusive<Options>("floor"); }
  void setTimeout(std::chrono::milliseconds) override {}
  void setSequenceNumberForGroup() override {}
  uint64_t getSequenceNumberForGroup() override { return 0; }

  WorkPtr allreduce(Tensors& t, const c10d::AllreduceOptions& o) override { return done(t, o); }
  WorkPtr allreduce_coalesced(Tensors& t, const c10d::AllreduceCoalescedOptions& o) override {
    return done(t, o);
  }
  WorkPtr broadcast(Tensors& t, const c10d::BroadcastOptions& o) override { return done(t, o); }
  WorkPtr reduce(Tensors& t, const c10d::ReduceOptions& o) override { return done(t, o); }
  WorkPtr allgather(std::vector<Tensors>&, Tensors& in, const c10d::AllgatherOptions& o) override {
    return done(in, o);
  }
  WorkPtr _allgather_base(at::Tensor&, at::Tensor&, const c10d::AllgatherOptions&) override { return done(); }
  WorkPtr gather(std::vector<Tensors>&, Tensors& in, const c10d::GatherOptions& o) override {
    return done(in, o);
  }
  WorkPtr scatter(Tensors& out, std::vector<Tensors>&, const c10d::ScatterOptions& o) override {
    return done(out, o);
  }
  WorkPtr reduce_scatter(Tensors& out, std::vector<Tensors>&, const c10d::ReduceScatterOptions& o) override {
    return done(out, o);
  }
  WorkPtr _reduce_scatter_base(at::Tensor&, at::Tensor&, const c10d::ReduceScatterOptions&) override {
    return done();
  }
  WorkPtr alltoall(Tensors& out, Tensors&, const c10d::AllToAllOptions& o) override { return done(out, o); }
  WorkPtr alltoall_base(at::Tensor&, at::Tensor&, std::vector<int64_t>&, std::vector<int64_t>&,
                        const c10d::AllToAllOptions&) override {
    return done();
  }
  WorkPtr send(Tensors&, int, int) override { return done(); }
  WorkPtr recv(Tensors&, int, int) override { return done(); }
  WorkPtr recvAnysource(Tensors&, int) override { return done(); }
  WorkPtr barrier(const c10d::BarrierOptions&) override { return done(); }
};

}  // namespace

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  py::module_::import("torch.distributed");  // registers the base class
  py::class_<Floor, c10d::Backend, c10::intrusive_ptr<Floor>>(m, "Floor").def(py::init<int, int>());
}
