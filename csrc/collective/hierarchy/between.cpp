#include "collective/hierarchy/between.h"

namespace dlslime::hierarchy {

std::vector<int> listeners(const Hosts& hosts, int host) {
  const auto& there = hosts.ranks[size_t(host)];
  std::vector<int> ranks;
  for (size_t place = size_t(hosts.place); place < there.size(); place += hosts.here().size())
    ranks.push_back(there[place]);
  return ranks;
}

}  // namespace dlslime::hierarchy
