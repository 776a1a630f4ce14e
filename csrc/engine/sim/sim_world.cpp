#include "engine/sim/sim_world.h"

#include <algorithm>
#include <charconv>

namespace dlslime {
namespace {

constexpr uint64_t kLivelock = 2'000'000;  // passes without time moving on
// While events follow each other closely, deadlines are looked at this often: looking costs a walk over all
// operations.
constexpr Nanos kDeadlineGrain = std::chrono::microseconds(100);

}  // namespace

SimWorld::SimWorld(const SimConfig& config) : config_(config), random_(config.seed), events_(random_) {
  for (int rank = 0; rank < config.ranks; ++rank) {
    hosts_.push_back(std::make_unique<SimHost>(*this, clock_, rank));
  }
}

SimWorld::~SimWorld() {
  bury();
  events_.clear();
}

// ---- time ----

Nanos SimWorld::link_delay(int from, int to) {
  const Delays& delays = config_.delays;
  if (delays.instant()) return Nanos(0);
  Nanos delay = delays.link_min + up_to(delays.link_max - delays.link_min);
  const bool slow =
      !delays.slow_cpu &&
      (delays.slow_peer < 0 ? from == delays.slow_rank || to == delays.slow_rank
                            : std::minmax(from, to) == std::minmax(delays.slow_rank, delays.slow_peer));
  if (slow || random_.chance(delays.tail_one_in)) delay += up_to(delays.tail);
  return delay;
}

Nanos SimWorld::cpu_delay(int rank) {
  const Delays& delays = config_.delays;
  if (delays.slow_cpu && rank == delays.slow_rank) return up_to(delays.tail);
  return delays.cpu_max.count() ? up_to(delays.cpu_max) : Nanos(0);
}

// Or alarm of a scope, or a chore.
Nanos SimWorld::next_deadline() {
  Nanos soonest = kNever;
  const auto consider = [&](Nanos at) {
    if (at > deadlines_seen_) soonest = std::min(soonest, at);
  };
  for (auto& host : hosts_) {
    if (!host->runs()) continue;
    consider(host->executor().next_chore());
    auto& active = host->executor().active();
    for (Operation* op = active.front(); op; op = active.next(*op)) {
      consider(op->deadline());
      if (op->scope()) consider(op->scope()->alarm());
    }
  }
  return soonest;
}

// Is a deadline the next thing to happen? Then time is moved there.
bool SimWorld::deadline_due() {
  const Nanos next = events_.next();
  if (next != kNever && next < looked_at_ + kDeadlineGrain) return false;
  const Nanos deadline = next_deadline();
  if (deadline == kNever || deadline > next) {
    if (next != kNever) looked_at_ = next;
    return false;
  }
  clock_.advance_to(deadline);
  deadlines_seen_ = looked_at_ = clock_.now();
  for (auto& host : hosts_) {
    if (!host->runs()) continue;
    Executor& executor = host->executor();
    executor.with_token([&] {
      do executor.check_deadlines();
      while (executor.next_chore() <= clock_.now());  // a chore that goes on at once
    });
  }
  wake_all();
  return true;
}

bool SimWorld::step() {
  if (deadline_due()) return true;
  if (events_.empty()) {
    if (std::exchange(swept_, true)) return false;
    wake_all();  // in case something waits for what no event told
    if (events_.empty()) return false;
  }
  if (events_.next() > now()) passes_now_ = 0;
  clock_.advance_to(events_.next());
  events_.take()();
  return true;
}

void SimWorld::passed(bool moved) {
  ++passes_now_;
  if (moved) swept_ = false;
}

Status SimWorld::run_until(const std::function<bool()>& predicate, Nanos limit) {
  const Nanos end = deadline_after(clock_, limit);
  swept_ = false;
  wake_all();
  while (!predicate()) {
    if (!step()) return stuck(Code::kInternal, "deadlock");
    if (passes_now_ > kLivelock) return stuck(Code::kInternal, "livelock");
    if (now() > end) return stuck(Code::kTimeout, "the limit passed");
  }
  return {};
}

void SimWorld::wake_all() {
  for (auto& host : hosts_) host->wake();
}

// ---- words ----

std::string SimWorld::describe() {
  std::string text = config_.describe() + ", at " + std::to_string(now().count()) + " ns";
  for (auto& host : hosts_) text += "\n  " + host->describe();
  return text;
}

Status SimWorld::stuck(Code code, const std::string& why) { return {code, why + ": " + describe()}; }

// ---- faults ----

void SimWorld::kill(int rank, uint64_t at_step) {
  SimHost& host = *hosts_[rank];
  host.kill_at_ = at_step;
  if (host.steps_ >= at_step && !host.dead_) die(host);
}

void SimWorld::freeze(int rank, uint64_t at_step) {
  SimHost& host = *hosts_[rank];
  host.freeze_at_ = at_step;
  if (host.steps_ >= at_step) host.frozen_ = true;
}

void SimWorld::thaw(int rank) {
  SimHost& host = *hosts_[rank];
  host.freeze_at_ = SimHost::kNoStep;
  host.frozen_ = false;
  host.wake();
}

void SimWorld::die(SimHost& host) {
  host.dead_ = true;
  for (auto& [pair, wires] : wires_) {
    if (pair.first != host.rank() && pair.second != host.rank()) continue;
    for (auto& wire : wires) {
      wire->break_end(pair.first == host.rank() ? 1 : 0,
                      Status(Code::kPeerDied, "the peer's process is gone"));
    }
  }
}

void SimWorld::cut(int one, int other) {
  for (auto& wire : wires_[std::minmax(one, other)]) {
    for (int side : {0, 1}) wire->break_end(side, Status(Code::kLinkLost, "the connection was cut"));
  }
}

void SimWorld::bury() {
  for (auto& host : hosts_) host->bury();
}

// ---- who meets whom ----

std::unique_ptr<SimPipe> SimWorld::connect(int from, int to, uint64_t link) {
  const Pair pair = std::minmax(from, to);
  auto& wires = wires_[pair];
  auto found = std::ranges::find(wires, link, [](const auto& wire) { return wire->link; });
  if (found == wires.end())
    found = wires.insert(found, std::make_shared<SimWire>(*this, host(pair.first), host(pair.second), link));
  const auto wire = *found;
  const int side = from < to ? 0 : 1;
  wire->connected[side] = true;
  if (!host(to).alive()) wire->break_end(side, Status(Code::kPeerDied, "the peer's process is gone"));
  return std::make_unique<SimPipe>(wire, side);
}

void SimWorld::left(const SimWire& wire) {
  if (wire.ends[0] || wire.ends[1] || !wire.connected[0] || !wire.connected[1]) return;
  auto& wires = wires_[{wire.hosts[0]->rank(), wire.hosts[1]->rank()}];
  std::erase_if(wires, [&wire](const auto& known) { return known.get() == &wire; });
}

uint64_t SimWorld::share(const std::shared_ptr<SimShare>& pages) {
  shares_.emplace(next_share_, pages);
  return next_share_++;
}

std::shared_ptr<SimShare> SimWorld::shared(std::string_view offer) const {
  uint64_t id = 0;
  std::from_chars(offer.data(), offer.data() + offer.size(), id);
  const auto found = shares_.find(id);
  return found == shares_.end() ? nullptr : found->second.lock();
}

}  // namespace dlslime
