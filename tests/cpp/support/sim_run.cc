#include "support/sim_run.h"

#include <algorithm>

namespace dlslime {
namespace {

class ProgramOperation final : public Operation {
 public:
  ProgramOperation(SimHost& host, const SimProgram& program, Nanos deadline, int& running)
      : Operation(nullptr, Order::kFree, deadline), host_(host), program_(program), running_(running) {}

  Task<> body() override { return program_(host_); }
  std::string describe() const override { return "the program of rank " + std::to_string(host_.rank()); }
  Nanos when() const { return when_; }

 protected:
  void finished() noexcept override {
    --running_;
    when_ = host_.world().now();
    mark_done();
  }

 private:
  SimHost& host_;
  const SimProgram& program_;
  int& running_;
  Nanos when_{0};
};

void inject(SimWorld& world, const SimFault& fault) {
  if (fault.kind == SimFault::Kind::kKill) {
    world.kill(fault.rank, fault.at_step);
  } else {
    world.freeze(fault.rank, fault.at_step);
  }
}

}  // namespace

bool SimResult::ok() const {
  return world.ok() && std::ranges::all_of(ranks, [](const Status& status) { return status.ok(); });
}

std::string SimResult::describe() const {
  std::string text = config + "\n  world: " + world.to_string();
  for (size_t rank = 0; rank < ranks.size(); ++rank) {
    text += "\n  rank " + std::to_string(rank) + " after " + std::to_string(steps[rank]) +
            " steps: " + ranks[rank].to_string();
  }
  return text;
}

SimResult run_simulated(const SimConfig& config, const SimProgram& program, const SimOptions& options) {
  SimWorld world(config);
  int running = world.size();
  std::vector<std::unique_ptr<ProgramOperation>> programs;
  for (const SimFault& fault : options.faults) inject(world, fault);
  for (int rank = 0; rank < world.size(); ++rank) {
    programs.push_back(
        std::make_unique<ProgramOperation>(world.host(rank), program, options.deadline, running));
    world.host(rank).submit(*programs.back());
  }
  // Those that will never run again are not waited for.
  auto over = [&] {
    if (running == 0) return true;
    if (options.faults.empty()) return false;
    for (int rank = 0; rank < world.size(); ++rank) {
      const SimHost& host = world.host(rank);
      if (host.alive() && !host.frozen() && !programs[rank]->done()) return false;
    }
    return true;
  };

  SimResult result;
  result.config = config.describe();
  result.world = world.run_until(over, options.limit);
  result.duration = world.now();
  result.events = world.events();
  for (int rank = 0; rank < world.size(); ++rank) {
    result.ended.push_back(programs[rank]->done());
    result.steps.push_back(world.host(rank).steps());
  }
  world.bury();
  for (size_t rank = 0; rank < programs.size(); ++rank) {
    const ProgramOperation& op = *programs[rank];
    // One that was cut short may still have slipped through to its end while it was unwound.
    const Status cut_short(
        Code::kAborted, op.done() ? "it never ended by itself" : "it never ended, nor could it be unwound");
    result.ranks.push_back(result.ended[rank] ? op.status() : cut_short);
    result.when.push_back(op.when());
  }
  return result;
}

}  // namespace dlslime
