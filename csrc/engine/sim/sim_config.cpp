#include "engine/sim/sim_config.h"

#include <algorithm>

#include "engine/sim/sim_random.h"

namespace dlslime {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

Delays Delays::uniform(Nanos max) {
  Delays delays;
  delays.link_min = nanoseconds(100);
  delays.link_max = max;
  delays.cpu_max = max / 8;
  return delays;
}

Delays Delays::heavy_tail(uint64_t seed, int ranks) {
  SimRandom random(seed ^ 0x7A11);
  Delays delays = uniform(microseconds(5));
  delays.tail_one_in = unsigned(random.between(8, 64));
  delays.tail = microseconds(random.between(50, 2000));
  delays.slow_rank = int(random.below(ranks));
  switch (random.below(3)) {
    case 0:
      delays.slow_peer = int(random.below(ranks));
      break;
    case 1:
      delays.slow_cpu = true;
      break;
    default:
      break;
  }
  return delays;
}

Delays Delays::for_seed(uint64_t seed, int ranks) {
  SimRandom random(seed ^ 0xDE1A);
  switch (random.below(4)) {
    case 0:
      return none();
    case 1:
      return uniform(microseconds(random.between(1, 20)));
    default:
      return heavy_tail(seed, ranks);
  }
}

SimConfig SimConfig::for_seed(uint64_t seed, int ranks) {
  SimRandom random(seed ^ 0xC0F1);
  SimConfig config;
  config.seed = seed;
  config.ranks = ranks;
  config.delays = Delays::for_seed(seed, ranks);
  config.large = Large(random.below(3));
  config.read_private = random.chance(2);
  constexpr size_t kCapacities[] = {500, 4 << 10, 64 << 10, 64 << 10, 256 << 10, 1 << 20};
  config.pipe_capacity = kCapacities[random.below(std::size(kCapacities))];
  if (config.pipe_capacity <= (4 << 10)) config.pipe_capacity += random.below(100);  // no round number
  config.cut_one_in = random.chance(2) ? 4 : 32;
  config.choke_one_in = random.chance(2) ? 8 : 0;
  config.maps = Maps(random.below(3));
  return config;
}

bool SimConfig::fetches(int receiver, int sender) const {
  if (large != Large::kMixed) return large == Large::kGet;
  SimRandom random(seed ^ (uint64_t(receiver) << 32) ^ uint64_t(sender));
  return random.chance(2);
}

std::string SimConfig::describe() const {
  std::string text = "seed " + std::to_string(seed) + ", " + std::to_string(ranks) + " ranks, ";
  text += delays.instant() ? "no delays" : "links up to " + std::to_string(delays.link_max.count()) + " ns";
  if (delays.slow_rank >= 0) {
    text += ", rank " + std::to_string(delays.slow_rank);
    if (delays.slow_peer >= 0) text += " to " + std::to_string(delays.slow_peer);
    text += delays.slow_cpu ? " computes slowly" : " is far away";
  }
  text += ", pipes of " + std::to_string(pipe_capacity) + " bytes";
  constexpr const char* kLarge[] = {", put", ", get", ", put or get"};
  text += kLarge[int(large)];
  for (size_t rank = 0; rank < host_of.size(); ++rank)
    text += (rank ? "," : ", on hosts ") + std::to_string(host_of[rank]);
  if (shared_pages) text += read_private ? ", pages with private reads" : ", pages";
  constexpr const char* kMaps[] = {"", ", some tensors mapped", ", tensors mapped"};
  if (shared_pages) text += kMaps[int(maps)];
  return text;
}

}  // namespace dlslime
