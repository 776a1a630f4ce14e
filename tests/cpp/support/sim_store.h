// SimStore: what ranks of a simulated world tell each other before they are connected, as a rendezvous store
// does in life.
//
// Threads: one.   Ownership: outlives the run.   Invariants: a value becomes visible to all at one moment, a
// little later.
#pragma once
#include <map>
#include <string>

#include "engine/sim/sim_world.h"

namespace dlslime {

class SimStore {
 public:
  void set(SimHost& host, const std::string& key, std::string value) {
    SimWorld& world = host.world();
    world.at(world.now() + world.link_delay(host.rank(), host.rank()),
             [this, &world, key, value = std::move(value)] {
               values_[key] = value;
               for (int rank = 0; rank < world.size(); ++rank) world.wake(rank);
             });
  }
  bool has(const std::string& key) const { return values_.contains(key); }
  const std::string& get(const std::string& key) const { return values_.at(key); }

  // const auto& value = co_await store.wait(key): the key outlives the wait.
  class Waiter final : public Awaiter<Waiter> {
   public:
    Waiter(const SimStore& store, const std::string& key) : store_(store), key_(key) {}
    const std::string& await_resume() {
      resume_or_throw();
      return store_.get(key_);
    }

   protected:
    bool ready() override { return store_.has(key_); }
    std::string waiting_for() const override { return "nobody has set " + key_; }

   private:
    const SimStore& store_;
    const std::string& key_;
  };
  Waiter wait(const std::string& key) const { return {*this, key}; }

 private:
  std::map<std::string, std::string> values_;
};

}  // namespace dlslime
