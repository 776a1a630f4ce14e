// SimHost: one rank of a SimWorld: what a process has, without a process.
//
// Threads:    one.
// Ownership:  belongs to the world; whatever uses its engine and executor dies before the world.
// Units:      a step is one pass, one publish or one write into a pipe; "killed at step k" means that it takes k of them.
// Invariants: after its death nothing of it becomes visible any more, though its coroutines may be unwound.
#pragma once
#include <string>
#include <vector>

#include "base/executor.h"
#include "engine/runtime.h"
#include "engine/sim/sim_engine.h"
#include "memory/region.h"

namespace dlslime {

class SimWorld;

class SimHost {
 public:
  SimHost(SimWorld& world, const Clock& clock, int rank);
  SimHost(const SimHost&) = delete;
  SimHost& operator=(const SimHost&) = delete;

  int rank() const { return rank_; }
  SimWorld& world() { return world_; }
  Executor& executor() { return executor_; }
  RegionTable& regions() { return regions_; }
  Runtime& runtime() { return runtime_; }
  Engine& engine() { return *runtime_.engines().front(); }
  const PeerInfo& info() const { return runtime_.self(); }

  void submit(Operation& op);
  void wake();  // there may be something to do: run a pass
  bool alive() const { return !dead_; }
  bool frozen() const { return frozen_; }
  uint64_t steps() const { return steps_; }

  bool effect();           // before something becomes visible to others; false: it died first
  std::string describe();  // every active operation

 private:
  friend class SimWorld;
  static constexpr uint64_t kNoStep = UINT64_MAX;
  bool runs() const { return !dead_ && !frozen_; }
  void pass();
  void bury();

  SimWorld& world_;
  const int rank_;
  RegionTable regions_;
  Executor executor_;
  Runtime runtime_;

  uint64_t steps_ = 0;
  uint64_t kill_at_ = kNoStep, freeze_at_ = kNoStep;
  bool dead_ = false, frozen_ = false;
  bool woken_ = false;    // a pass is due
  bool passing_ = false;  // one is going on
};

}  // namespace dlslime
