// Messages over a connected endpoint of each engine: one at a time, and a train of 64 (the rate).
#include <benchmark/benchmark.h>

#include <vector>

#include "micro/sides.h"

namespace dlslime::micro {
namespace {

template <class SomeEngine>
void one(benchmark::State& state) {
  Sides<SomeEngine> sides;
  const std::vector<std::byte> bytes(size_t(state.range(0)));
  for (auto _ : state) sides.send(bytes);
  state.SetItemsProcessed(int64_t(state.iterations()));
}

template <class SomeEngine>
void train(benchmark::State& state) {
  constexpr uint64_t kTrain = 64;
  Sides<SomeEngine> sides;
  const std::vector<std::byte> bytes(size_t(state.range(0)));
  sides.send(bytes);
  for (auto _ : state) {
    const uint64_t wanted = sides.b.seen.messages + kTrain;
    for (uint64_t i = 0; i < kTrain; ++i) {
      while (!sides.a.executor.with_token([&] { return sides.a.endpoint->post(bytes, {}); })) sides.drive();
    }
    while (sides.b.seen.messages < wanted) sides.drive();
  }
  state.SetItemsProcessed(int64_t(state.iterations() * kTrain));
}

BENCHMARK(one<ShmEngine>)->Name("message/shm/one")->ArgName("bytes")->Arg(64)->Arg(4096);
BENCHMARK(train<ShmEngine>)->Name("message/shm/train")->ArgName("bytes")->Arg(64)->Arg(1024);
BENCHMARK(one<TcpEngine>)->Name("message/tcp/one")->ArgName("bytes")->Arg(64)->Arg(4096)->UseRealTime();
BENCHMARK(train<TcpEngine>)->Name("message/tcp/train")->ArgName("bytes")->Arg(64)->Arg(1024)->UseRealTime();

}  // namespace
}  // namespace dlslime::micro
