// Member: one rank's membership in a group, and the operations issued through it.
//
//   state    what holds                                                       moved on by
//   -------  ---------------------------------------------------------------  ---------------------
//   open     operations may be issued                                         leave(), close()
//   left     new operations are refused, those that were active have failed   close()
//   closed   the group is gone (or goes with the last operation)              -
//
// Threads:    any, and never under the token, but for ahead() and add_sightings(), which need it, and name(), which does not mind.
// Ownership:  shared by the backend and by every job; owns the group. Jobs that are not done keep the group alive.
// Errors:     enter() answers why nothing can be issued; nothing throws.
// Units:      Nanos.
// Invariants: bounded: nothing here waits longer than the time it is given.
#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "collective/group.h"
#include "torch_ext/global_ranks.h"
#include "torch_ext/process.h"

namespace dlslime {

class Member {
 public:
  // `world`: equal for groups whose global ranks mean the same processes; the caller keeps what lies there as long as the member
  // is open.
  Member(Process& process, std::unique_ptr<Group> group, GlobalRanks global_ranks, const void* world);
  ~Member();
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  Process& process() const { return process_; }
  Executor& executor() const { return process_.executor(); }
  Group& group() const { return *group_; }  // between a successful enter() and exit() only
  std::string name() const { return described_.load() ? name_ + " (" + description_ + ")" : name_; }
  // What people call the group; the first one stays.
  void describe(const std::string& description);
  // Under the token: who has called a collective of this group that this rank has not; empty: nobody, as far as is known.
  std::string ahead() const;
  // Under the token: adds what this group knows of its ranks that have not left, by global rank.
  struct Sighting {
    Status lost;           // the worst news of connections to it
    bool reached = false;  // by another connection
  };
  void add_sightings(std::map<uint64_t, Sighting>* all) const;
  const void* world() const { return world_; }
  const std::string& engines() const { return engines_; }
  const std::string& shape() const { return shape_; }
  const std::vector<Route>& routes() const { return routes_; }
  const std::string& why_no_pages() const { return why_no_pages_; }
  const Plan& plan() const { return plan_; }
  bool reads_private() const { return reads_private_; }
  const GlobalRanks& global_ranks() const { return global_ranks_; }
  int rank() const { return rank_; }
  int size() const { return size_; }

  // An operation begins (true) and has ended.
  bool enter();
  void exit() { active_.fetch_sub(1); }
  Status why_closed() const;
  int active() const { return active_.load(); }

  uint64_t number(uint64_t collectives) { return sequence_.fetch_add(collectives) + 1; }
  uint64_t sequence() const { return sequence_.load(); }

  Status failed() const;   // ok while the group works
  void abort(Status why);  // fails everything, here and at the peers
  void leave();
  void close(Nanos patience);

  bool described() const { return described_.load(std::memory_order_relaxed); }
  std::atomic<int64_t> busy_ns{0};  // time that calling threads spent inside operations

 private:
  enum class State : uint8_t { kOpen, kLeft, kClosed };
  bool finish_closing();

  Process& process_;
  std::unique_ptr<Group> group_;
  const std::string name_, engines_, shape_, why_no_pages_;
  const std::vector<Route> routes_;  // the group's: reported after it is gone, too
  const Plan plan_;
  const bool reads_private_;
  const GlobalRanks global_ranks_;
  const void* const world_;
  const int rank_, size_;
  std::string description_;
  std::atomic<bool> describing_{false}, described_{false};
  std::atomic<State> state_{State::kOpen};
  std::atomic<bool> aborted_{false};
  std::atomic<int> active_{0};
  std::atomic<uint64_t> sequence_{0};
};

}  // namespace dlslime
