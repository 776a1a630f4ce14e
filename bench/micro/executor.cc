// The price of an operation that does nothing: coroutine frame, token, a pass; with child tasks, and with a wait that is satisfied.
#include "base/executor.h"

#include <benchmark/benchmark.h>

#include "base/reactor.h"

namespace dlslime {
namespace {

Task<> nothing() { co_return; }

Task<> nested(int depth) {
  if (depth > 0) co_await nested(depth - 1);
}

Task<> satisfied() {
  co_await until([] { return true; });
}

class Empty final : public Operation {
 public:
  explicit Empty(Task<> (*body)()) : Operation(nullptr, Order::kFree, kNever), body_(body) {}
  Task<> body() override { return body_(); }
  std::string describe() const override { return "nothing"; }

 private:
  Task<> (*body_)();
};

void run(benchmark::State& state, Task<> (*body)()) {
  const SteadyClock clock;
  Reactor reactor;
  Executor executor(clock, &reactor, Ladder{});
  executor.with_token([&] { executor.add(reactor); });
  for (auto _ : state) {
    Empty operation(body);
    executor.run(operation, kNever);
  }
}

BENCHMARK_CAPTURE(run, empty, nothing)->Name("executor/run/empty");
BENCHMARK_CAPTURE(run, four_children, [] { return nested(4); })->Name("executor/run/four_children");
BENCHMARK_CAPTURE(run, satisfied_wait, satisfied)->Name("executor/run/satisfied_wait");

void clock_read(benchmark::State& state) {
  const SteadyClock clock;
  for (auto _ : state) benchmark::DoNotOptimize(clock.now());
}
BENCHMARK(clock_read)->Name("executor/clock");

}  // namespace
}  // namespace dlslime
