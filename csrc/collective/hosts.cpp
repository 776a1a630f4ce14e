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

// The first of these that is not among those; -1: none.
int first_without(const std::vector<int>& these, const std::vector<int>& those) {
  const auto found =
      std::ranges::find_if(these, [&](int rank) { return std::ranges::find(those, rank) == those.end(); });
  return found == these.end() ? -1 : *found;
}

// What is amiss about the ranks that `one` shares memory with, beside what it expected: empty where they are a host.
std::string why_no_host(int one, const Sets& with, const std::vector<int>& expected) {
  const auto name = [](int rank) { return "rank " + std::to_string(rank); };
  const auto& mates = with[size_t(one)];
  if (mates.size() == 1) return {};
  if (mates != expected) {
    const int other = first_without(expected, mates);
    const std::string with_whom = other < 0 ? "other ranks than it does" : name(other) + ", and does not";
    return name(one) + " expected to share memory with " + with_whom;
  }
  for (int mate : mates) {
    if (const int other = first_without(mates, with[size_t(mate)]); other >= 0)
      return "ranks " + std::to_string(mate) + " and " + std::to_string(other) + " share memory with " +
             name(one) + ", but not with each other";
  }
  return {};
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
  for (int one = 0; one < size && why_not->empty(); ++one) {
    *why_not = why_no_host(one, with, says[size_t(one)].ranks);
    if (with[size_t(one)][0] == one) sets.push_back(with[size_t(one)]);
  }
  return why_not->empty() ? hosts_of(rank, std::move(sets)) : Hosts::all_alone(rank, size);
}

}  // namespace dlslime
