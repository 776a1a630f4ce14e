#include "collective/sim_program.h"

#include <algorithm>
#include <random>

namespace dlslime {

int ranks_for(uint64_t seed) {
  constexpr int kRanks[] = {2, 3, 4, 5, 8};
  return seed % 50 == 49 ? 64 : kRanks[seed % 5];
}

SimConfig small_config(uint64_t seed) {
  SimConfig config = SimConfig::for_seed(seed, ranks_for(seed % 49));
  if (seed % 2) config.shared_pages = false;
  return config;
}

SimConfig hosts_config(uint64_t seed) {
  static const std::vector<int> kHosts[] = {{0, 0, 1, 1},         {0, 0, 0, 1, 1, 1}, {0, 0, 0, 1},
                                            {0, 1, 1, 1, 1},      {0, 1, 0, 1},       {0, 0, 1, 2, 2},
                                            {0, 1, 1, 0, 2, 3, 2}};
  std::vector<int> host_of = kHosts[seed % std::size(kHosts)];
  if (seed % 50 == 49) {
    host_of.clear();
    for (int rank = 0; rank < 64; ++rank) host_of.push_back(rank / 8);
  }
  SimConfig config = SimConfig::for_seed(seed, int(host_of.size()));
  config.host_of = std::move(host_of);
  return config;
}

SimProgram SimScript::program() {
  return [this](SimHost& host) { return play(host); };
}

Task<> SimScript::play(SimHost& host) {
  Runs runs;  // before the group: its operations end before their buffers go
  SimRank rank(host);
  std::exception_ptr error;
  try {
    co_await run_steps(rank, runs);
  } catch (const Failure& failure) {
    if (failure.status().code() == Code::kAborted) throw;  // the world ends: nobody is left to be told
    error = std::current_exception();
  }
  co_await rank.leave();
  if (error) std::rethrow_exception(error);
}

Task<> SimScript::run_steps(SimRank& rank, Runs& runs) {
  const int me = rank.host.rank();
  SimWorld& world = rank.host.world();
  const RanksByHost hosts =
      world.config().shared_pages ? ranks_by_host(world.config().host_of) : RanksByHost();
  co_await rank.join(store_, "world", plan_);
  const auto& steps = steps_[size_t(me)];
  std::mt19937_64 pace(seed_ * 31 + uint64_t(me));
  while (runs.size() < steps.size()) {
    const size_t until = std::min(steps.size(), runs.size() + 1 + pace() % 3);
    std::vector<GroupOperation*> issued;
    while (runs.size() < until) {
      const Step& step = steps[runs.size()];
      StepRun& run = *runs.emplace_back(std::make_unique<StepRun>(step, me, world.size(), plan_, hosts));
      const auto order = run.step().ordered() ? Operation::Order::kOrdered : Operation::Order::kFree;
      issued.push_back(
          &rank.issue(rank.group(), order, [&run](Group& group) { return run.call(group); }, run.name()));
    }
    co_await end_all(rank, issued, runs);
  }
}

// All of them, also after one has failed: what ends well must be right, and nothing ends well behind a failed collective.
Task<> SimScript::end_all(SimRank& rank, const std::vector<GroupOperation*>& issued, const Runs& runs) {
  auto& ends = ends_[size_t(rank.host.rank())];
  Status first;
  bool broken = false;
  for (const GroupOperation* op : issued) {
    co_await finished(*op);
    StepEnd& end = ends.emplace_back(StepEnd{ends.size(), op->status(), {}});
    const StepRun& run = *runs[end.step];
    if (op->status().ok()) end.wrong = run.wrong();
    if (op->status().ok() && run.step().ordered() && broken)
      end.wrong = run.name() + " ended well behind one that failed";
    broken |= run.step().ordered() && !op->status().ok();
    if (!end.wrong.empty()) throw Failure(Status(Code::kInternal, end.wrong));
    if (first.ok()) first = op->status();
  }
  if (!first.ok()) throw Failure(first);
}

}  // namespace dlslime
