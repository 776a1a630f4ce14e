// Delays and SimConfig: what a simulated world is like. Both follow from a seed; tests overrule single
// fields.
//
// Threads: values.   Units: Nanos of virtual time; bytes; `one_in` n = with probability 1/n, 0 = never.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"

namespace dlslime {

struct Delays {
  Nanos link_min{0}, link_max{0};  // of every publish, per reader, and of every piece of a stream
  Nanos cpu_max{0};                // between a reason to run and running
  Nanos death_max{std::chrono::microseconds(500)};  // until the peers of a dead process hear of it

  // The heavy tail: now and then something takes very long; one rank, or one link, always does.
  unsigned tail_one_in = 0;
  Nanos tail{0};
  int slow_rank = -1;
  int slow_peer = -1;  // only the link between slow_rank and slow_peer is slow, -1: all of slow_rank's links
  bool slow_cpu = false;  // slow_rank computes slowly rather than being far away

  bool instant() const { return link_max.count() == 0 && tail_one_in == 0 && slow_rank < 0; }

  static Delays none() { return {}; }
  static Delays uniform(Nanos max);
  static Delays heavy_tail(uint64_t seed, int ranks);
  static Delays for_seed(uint64_t seed, int ranks);
};

struct SimConfig {
  uint64_t seed = 0;
  int ranks = 2;
  Delays delays;

  enum class Large : uint8_t {
    kPut,
    kGet,
    kMixed
  };  // how large payloads travel; mixed: drawn per sender and receiver
  Large large = Large::kPut;
  bool shared_pages = true;
  std::vector<int> host_of = {};  // by rank: ranks of different hosts share no memory; empty: all are on one
  bool read_private = false;
  enum class Maps : uint8_t { kNone, kMixed, kAll };
  Maps maps = Maps::
      kNone;  // which ranks' buffers lie where all others have mapped them; mixed: drawn for each operation
  bool idle_hosts_rest = true;  // as in life: without an operation nobody looks at the engines

  size_t pipe_capacity = 256 << 10;
  unsigned cut_one_in = 0;    // reads and writes that move only a part, deliveries in two pieces
  unsigned choke_one_in = 0;  // writes that find no room although there is some

  bool same_host(int one, int other) const {
    return host_of.empty() || host_of[size_t(one)] == host_of[size_t(other)];
  }
  bool fetches(int receiver, int sender) const;
  static SimConfig for_seed(uint64_t seed, int ranks);
  std::string describe() const;
};

}  // namespace dlslime
