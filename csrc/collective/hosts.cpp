#include "collective/hosts.h"

#include <algorithm>
#include <charconv>

namespace dlslime {
namespace {

using Sets = std::vector<std::vector<int>>;

std::string joined(const std::vector<int>& ranks, const char* between) {
  std::string text;
  for (int rank : ranks) text += (text.empty() ? "" : between) + std::to_string(rank);
  return text;
}

std::vector<int> numbers(const std::string& list) {
  std::vector<int> found;
  const char* const end = list.data() + list.size();
  for (const char* at = list.data(); at < end; ++at) {
    int number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc()) break;
    found.push_back(number);
    at = next;
  }
  return found;
}

Hosts hosts_of(int rank, Sets sets) {
  Hosts hosts{std::move(sets)};
  for (int host = 0; host < hosts.count(); ++host) {
    const auto& ranks = hosts.ranks[size_t(host)];
    const auto found = std::ranges::find(ranks, rank);
    if (found == ranks.end()) continue;
    hosts.mine = host;
    hosts.place = int(found - ranks.begin());
  }
  return hosts;
}

}  // namespace

int Hosts::columns() const {
  size_t most = 0;
  for (const auto& host : ranks) most = std::max(most, host.size());
  return int(most);
}

bool Hosts::has_mates(int rank) const {
  return std::ranges::any_of(ranks, [rank](const auto& host) {
    return host.size() > 1 && std::ranges::find(host, rank) != host.end();
  });
}

Hosts Hosts::all_alone(int rank, int size) {
  Sets alone;
  for (int one = 0; one < size; ++one) alone.push_back({one});
  return hosts_of(rank, std::move(alone));
}

std::string Hosts::describe() const {
  std::vector<int> sizes;
  sizes.reserve(ranks.size());
  for (const auto& host : ranks) sizes.push_back(int(host.size()));
  const std::string hosts = std::to_string(count()) + (count() == 1 ? " host" : " hosts");
  const bool alike = std::ranges::all_of(sizes, [&](int size) { return size == sizes[0]; });
  if (!alike) return hosts + " of " + joined(sizes, ", ") + " ranks";
  return hosts + " x " + std::to_string(sizes[0]) + (sizes[0] == 1 ? " rank" : " ranks");
}

void Together::write(Blob* offers) const {
  if (engine.empty()) return;
  (*offers)["together"] = engine;
  (*offers)["together.with"] = joined(ranks, ",");
}

Together Together::read(const Blob& offers) {
  return {get(offers, "together"), numbers(get(offers, "together.with"))};
}

Hosts find_hosts(int rank, const std::vector<Together>& says,
                 const std::function<std::string(int low, int high)>& engine_of, std::string* why_not) {
  const int size = int(says.size());
  Sets with(says.size()), sets;
  for (int one = 0; one < size; ++one) {
    const std::string& engine = says[size_t(one)].engine;
    for (int other = 0; other < size; ++other) {
      const bool shares = !engine.empty() && engine == says[size_t(other)].engine && one != other &&
                          engine == engine_of(std::min(one, other), std::max(one, other));
      if (shares || one == other) with[size_t(one)].push_back(other);
    }
  }
  for (int one = 0; one < size; ++one) {
    const auto& set = with[size_t(one)];
    if (set.size() > 1 && set != says[size_t(one)].ranks) *why_not = "rank " + std::to_string(one);
    for (int other : set) {
      if (with[size_t(other)] != set) *why_not = "rank " + std::to_string(one);
    }
    if (set[0] == one) sets.push_back(set);
  }
  if (why_not->empty()) return hosts_of(rank, std::move(sets));
  *why_not += " shares memory with some of those that it should";
  return Hosts::all_alone(rank, size);
}

}  // namespace dlslime
