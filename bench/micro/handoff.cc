// A word published by one side and seen by the other, and back: between two threads, and between two processes over the pages of a
// group. What a barrier or an 8-byte operation can't be faster than. "same core" shows what the scheduler does to two ranks that share
// one.
#include <benchmark/benchmark.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <new>
#include <thread>

namespace {

struct Table {
  alignas(128) std::atomic<uint64_t> there;
  alignas(128) std::atomic<uint64_t> back;
};

constexpr uint64_t kEnd = UINT64_MAX;

void run_on(int cpu) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(cpu, &cpus);
  sched_setaffinity(0, sizeof cpus, &cpus);
}

void await(const std::atomic<uint64_t>& word, uint64_t value, bool yields) {
  while (word.load(std::memory_order_acquire) < value) {
    if (yields) sched_yield();
  }
}

void answer(Table& table, bool yields) {
  for (uint64_t next = 1;; ++next) {
    await(table.there, next, yields);
    if (table.there.load() == kEnd) return;
    table.back.store(next, std::memory_order_seq_cst);
  }
}

void ask(benchmark::State& state, Table& table, bool yields) {
  uint64_t next = 0;
  for (auto _ : state) {
    table.there.store(++next, std::memory_order_seq_cst);
    await(table.back, next, yields);
  }
  table.there.store(kEnd);
}

// Ends as it began: others run on every CPU.
class Pinned {
 public:
  explicit Pinned(int cpu) {
    sched_getaffinity(0, sizeof before_, &before_);
    run_on(cpu);
  }
  ~Pinned() { sched_setaffinity(0, sizeof before_, &before_); }

 private:
  cpu_set_t before_;
};

void threads(benchmark::State& state) {
  const int other = int(state.range(0));
  Table table{};
  const Pinned pinned(0);
  std::thread peer([&] {
    run_on(other);
    answer(table, other == 0);
  });
  ask(state, table, other == 0);
  peer.join();
}

void processes(benchmark::State& state) {
  const int other = int(state.range(0));
  void* at = mmap(nullptr, sizeof(Table), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto& table = *new (at) Table{};
  const Pinned pinned(0);
  const pid_t child = fork();
  if (child == 0) {
    run_on(other);
    answer(table, other == 0);
    _exit(0);
  }
  ask(state, table, other == 0);
  waitpid(child, nullptr, 0);
  munmap(at, sizeof(Table));
}

// The peer's CPU: 1 is another core, 0 the same.
BENCHMARK(threads)->Name("handoff/threads")->ArgName("cpu")->Arg(1)->Arg(0)->UseRealTime();
BENCHMARK(processes)->Name("handoff/processes")->ArgName("cpu")->Arg(1)->Arg(0)->UseRealTime();

}  // namespace
