#include "engine/sim/sim_host.h"

#include <cstdio>

#include "engine/sim/sim_world.h"

namespace dlslime {
namespace {

PeerInfo identity(int rank) {
  char id[33];
  std::snprintf(id, sizeof id, "%032x", unsigned(rank) + 1);
  PeerInfo info;
  info.id = id;
  info.secret = std::string(32, 's');
  info.pid = 1000 + rank;
  info.host = "simulated";
  return info;
}

}  // namespace

SimHost::SimHost(SimWorld& world, const Clock& clock, int rank)
    : world_(world),
      rank_(rank),
      executor_(clock, nullptr, Ladder{}),
      runtime_(executor_, regions_, identity(rank)) {
  runtime_.add(std::make_unique<SimEngine>(*this, SimEngine::Range::kHost));
  if (!world.config().host_of.empty())
    runtime_.add(std::make_unique<SimEngine>(*this, SimEngine::Range::kWorld));
}

void SimHost::submit(Operation& op) {
  // Not by Executor::submit: a pass of the caller's would come before the seed says that it is our turn.
  // From inside our own pass the token is held already.
  if (passing_) return executor_.submit(op);
  executor_.with_token([&] { executor_.submit(op); });
  wake();
}

void SimHost::wake() {
  if (woken_ || !runs()) return;
  woken_ = true;
  world_.at(world_.now() + world_.cpu_delay(rank_), [this] { pass(); });
}

bool SimHost::effect() {
  if (dead_) return false;
  if (steps_ >= kill_at_) {
    world_.die(*this);
    return false;
  }
  ++steps_;
  return true;
}

void SimHost::pass() {
  woken_ = false;
  if (steps_ >= freeze_at_) frozen_ = true;
  if (executor_.idle() && world_.config().idle_hosts_rest) return;
  if (!runs() || !effect()) return;
  // With the token, as in life: what a coroutine submits goes to the inbox rather than running inside this
  // pass.
  passing_ = true;
  const bool moved = executor_.with_token([&] { return executor_.pass(); });
  passing_ = false;
  world_.passed(moved);
  if (moved) wake();
}

std::string SimHost::describe() {
  std::string text = "rank " + std::to_string(rank_);
  if (dead_) text += " (dead)";
  if (frozen_) text += " (frozen)";
  text += " after " + std::to_string(steps_) + " steps:";
  auto& active = executor_.active();
  if (active.empty()) text += " nothing";
  const char* separator = " ";
  for (Operation* op = active.front(); op; op = active.next(*op), separator = ", ") {
    text += separator + op->describe() + (op->running() ? "" : " (queued)");
  }
  return text;
}

void SimHost::bury() {
  dead_ = true;
  passing_ = true;  // what a program submits on its way out goes to the inbox
  executor_.with_token([&] {
    for (int rounds = 0; !executor_.idle() && rounds < 1000; ++rounds) {
      std::vector<Operation*> all;  // failing a queued one takes it off the list
      for (Operation* op = executor_.active().front(); op; op = executor_.active().next(*op))
        all.push_back(op);
      for (Operation* op : all) executor_.fail(*op, Status(Code::kAborted, "the simulated process is over"));
      executor_.pass();
    }
  });
}

}  // namespace dlslime
