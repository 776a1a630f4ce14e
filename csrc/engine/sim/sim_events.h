// VirtualClock and SimEvents: the simulator's time, and what will happen in it.
//
// Threads:    one.
// Units:      Nanos of virtual time.
// Invariants: events run in order of time; those of one moment in an order drawn from the seed. Nothing else
// moves the clock.
#pragma once
#include <algorithm>
#include <functional>
#include <vector>

#include "base/clock.h"
#include "engine/sim/sim_random.h"

namespace dlslime {

class VirtualClock final : public Clock {
 public:
  Nanos now() const override { return now_; }
  void advance_to(Nanos time) { now_ = std::max(now_, time); }

 private:
  Nanos now_{0};
};

class SimEvents {
 public:
  using Action = std::function<void()>;
  explicit SimEvents(SimRandom& random) : random_(random) {}

  bool empty() const { return heap_.empty(); }
  Nanos next() const { return heap_.empty() ? kNever : heap_.front().time; }
  void at(Nanos time, Action action) {
    heap_.push_back({time, random_.next(), count_++, std::move(action)});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  Action take() {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    Action action = std::move(heap_.back().action);
    heap_.pop_back();
    return action;
  }
  uint64_t count() const { return count_; }
  void clear() { heap_.clear(); }

 private:
  struct Event {
    Nanos time;
    uint64_t lot;  // who goes first among equals
    uint64_t sequence;
    Action action;
  };
  static bool later(const Event& a, const Event& b) {
    if (a.time != b.time) return a.time > b.time;
    return a.lot != b.lot ? a.lot > b.lot : a.sequence > b.sequence;
  }

  SimRandom& random_;
  uint64_t count_ = 0;
  std::vector<Event> heap_;
};

}  // namespace dlslime
