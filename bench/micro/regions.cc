// What a grant costs, and the check of an access, with few and with many other regions alive.
#include <benchmark/benchmark.h>

#include <vector>

#include "memory/region.h"

namespace dlslime {
namespace {

struct Regions {
  explicit Regions(int64_t others) : memory(4096) {
    for (int64_t i = 0; i < others; ++i) grants.emplace_back(table, memory, Rights::kRead);
  }
  RegionTable table;
  std::vector<std::byte> memory;
  std::vector<Grant> grants;
};

void grant(benchmark::State& state) {
  Regions regions(state.range(0));
  for (auto _ : state) {
    const Grant grant(regions.table, regions.memory, Rights::kRead);
    benchmark::DoNotOptimize(grant.region().id);
  }
}

void check(benchmark::State& state) {
  Regions regions(state.range(0));
  const Grant grant(regions.table, regions.memory, Rights::kRead);
  const RemoteRegion& region = grant.region();
  std::byte* at = nullptr;
  for (auto _ : state) {
    const Status allowed = regions.table.check({region.id, region.key, 8, 64, Rights::kRead}, &at);
    benchmark::DoNotOptimize(allowed.ok());
  }
}

BENCHMARK(grant)->Name("region/grant")->ArgName("others")->Arg(0)->Arg(10'000);
BENCHMARK(check)->Name("region/check")->ArgName("others")->Arg(0)->Arg(10'000);

}  // namespace
}  // namespace dlslime
