// Hosts: which ranks of a group share memory with each other: the sets that collectives treat as one host each.
//
// Threads:    values and pure functions.
// Invariants: every rank finds the same sets from the same offers. Hosts are in order of their lowest rank, ranks ascend in each.
//             Column c of a host is served by its rank at place c modulo their number, so that every host serves every column,
//             whatever its size.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "engine/peer_info.h"

namespace dlslime {

struct Hosts {
  std::vector<std::vector<int>> ranks;  // by host
  int mine = 0;                         // the host of the rank that asks
  int place = 0;                        // its own among the ranks of that host

  int count() const { return int(ranks.size()); }
  const std::vector<int>& here() const { return ranks[size_t(mine)]; }
  int columns() const;  // as many as the largest host has ranks
  int at(int host, int column) const {
    const auto& all = ranks[size_t(host)];
    return all[size_t(column) % all.size()];
  }
  bool has_mates(int rank) const;  // it shares memory with somebody
  // Some ranks share memory and some do not: what hierarchy/ is for.
  bool nested() const { return count() > 1 && columns() > 1; }
  static Hosts all_alone(int rank, int size);
  std::string describe() const;  // "2 hosts x 2 ranks", "2 hosts of 3, 1 ranks"
};

// What a rank says in its offers: with whom it expects to share memory, itself among them, and by which engine.
struct Together {
  std::string engine;  // empty: with nobody
  std::vector<int> ranks;

  void write(Blob* offers) const;
  static Together read(const Blob& offers);
};

// By what all ranks say, and the engine of each pair. On failure every rank is alone, and `why_not` says why.
Hosts find_hosts(int rank, const std::vector<Together>& says,
                 const std::function<std::string(int low, int high)>& engine_of, std::string* why_not);

}  // namespace dlslime
