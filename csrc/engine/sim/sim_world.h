// SimWorld: all ranks in one process and one thread, in virtual time, with delays, deaths and freezes drawn from a seed.
//
// Threads:    one; reads no clock of the operating system, never sleeps.
// Ownership:  owns its hosts; what tests hang on them (operations, endpoints, pages) dies first, or after bury().
// Errors:     run_until() says why the predicate did not become true: a deadlock (nothing can ever happen again), a livelock
//             (time stands still), or the limit; each with what every rank was doing.
// Units:      Nanos of virtual time.
// Invariants: a run is a function of the SimConfig and the program alone.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/sim/sim_config.h"
#include "engine/sim/sim_events.h"
#include "engine/sim/sim_host.h"
#include "engine/sim/sim_pages.h"

namespace dlslime {

class SimWorld {
 public:
  explicit SimWorld(const SimConfig& config);
  ~SimWorld();
  SimWorld(const SimWorld&) = delete;
  SimWorld& operator=(const SimWorld&) = delete;

  const SimConfig& config() const { return config_; }
  int size() const { return int(hosts_.size()); }
  SimHost& host(int rank) { return *hosts_[rank]; }
  Nanos now() const { return clock_.now(); }
  const Clock& clock() const { return clock_; }
  SimRandom& random() { return random_; }
  uint64_t events() const { return events_.count(); }

  Status run_until(const std::function<bool()>& predicate, Nanos limit = kNever);
  bool step();  // one event, or one deadline; false: nothing can ever happen again
  std::string describe();

  // Faults. A step count that is already reached means at once.
  void kill(int rank, uint64_t at_step = 0);    // its peers hear of it a little later
  void freeze(int rank, uint64_t at_step = 0);  // nobody is told
  void thaw(int rank);
  void cut(int one, int other);  // their connections break; both live
  void bury();                   // unwinds every operation of every host; the end of the world

  // --- for the parts of the simulator ---
  void at(Nanos time, SimEvents::Action action) { events_.at(time, std::move(action)); }
  void wake(int rank) { hosts_[rank]->wake(); }
  Nanos link_delay(int from, int to);
  Nanos cpu_delay(int rank);
  Nanos death_delay() { return Nanos(random_.below(uint64_t(config_.delays.death_max.count()) + 1)); }
  std::unique_ptr<SimPipe> connect(int from, int to, uint64_t link);
  void left(const SimWire& wire);  // by one side
  uint64_t share(const std::shared_ptr<SimShare>& pages);
  void unshare(uint64_t offer) { shares_.erase(offer); }
  std::shared_ptr<SimShare> shared(std::string_view offer) const;
  void die(SimHost& host);
  void passed(bool moved);

 private:
  using Pair = std::pair<int, int>;
  Nanos up_to(Nanos max) { return Nanos(random_.below(uint64_t(max.count()) + 1)); }
  Nanos next_deadline();
  bool deadline_due();
  void wake_all();
  Status stuck(Code code, const std::string& why);

  const SimConfig config_;
  SimRandom random_;
  VirtualClock clock_;
  SimEvents events_;
  // By (lower, higher) rank, in order of connection, until both sides have left.
  std::map<Pair, std::vector<std::shared_ptr<SimWire>>> wires_;
  std::map<uint64_t, std::weak_ptr<SimShare>> shares_;
  uint64_t next_share_ = 1;
  std::vector<std::unique_ptr<SimHost>> hosts_;

  Nanos deadlines_seen_{0};  // those up to here have been looked at
  Nanos looked_at_{0};       // when last
  uint64_t passes_now_ = 0;  // since time last moved
  bool swept_ = false;       // every host has had a last chance since something moved
};

}  // namespace dlslime
