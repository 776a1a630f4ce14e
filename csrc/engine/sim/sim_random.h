// SimRandom: the simulator's dice: the same numbers from the same seed with every compiler and library.
//
// Threads: none of its own.   Invariants: never reads the operating system.
#pragma once
#include <cstdint>

namespace dlslime {

class SimRandom {
 public:
  explicit SimRandom(uint64_t seed) : state_(seed) {}

  uint64_t next() {  // splitmix64
    uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  uint64_t below(uint64_t limit) { return limit ? next() % limit : 0; }
  uint64_t between(uint64_t low, uint64_t high) { return low + below(high - low + 1); }
  bool chance(unsigned one_in) { return one_in && next() % one_in == 0; }

 private:
  uint64_t state_;
};

}  // namespace dlslime
