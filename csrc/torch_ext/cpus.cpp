#include "torch_ext/cpus.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>

namespace dlslime {
namespace {

constexpr double kUnlimited = 1e9;

// "max 100000" or "150000 100000": microseconds of CPU per period.
double limit_in(const std::string& folder) {
  std::ifstream file(folder + "/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return kUnlimited;
  return std::atof(quota.c_str()) / period;
}

// Every group on the way up limits; cgroup v2 names the own one in a line "0::/path".
double cgroup_limit() {
  std::ifstream file("/proc/self/cgroup");
  double limit = limit_in("/sys/fs/cgroup");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("0::/")) continue;
    for (std::string path = line.substr(3); path.size() > 1; path.resize(path.rfind('/'))) {
      limit = std::min(limit, limit_in("/sys/fs/cgroup" + path));
    }
  }
  return limit;
}

}  // namespace

int usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int allowed = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1 << 20;
  return std::max(1, std::min(allowed, int(std::ceil(std::min(cgroup_limit(), 1e6)))));
}

}  // namespace dlslime
