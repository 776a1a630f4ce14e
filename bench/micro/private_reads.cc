// Reading another process's private memory (process_vm_readv) against memcpy of the same bytes: where single-copy transfers win.
#include <benchmark/benchmark.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <vector>

namespace {

// A process that holds `bytes` of private memory, touched, at the same address as we do.
class Owner {
 public:
  explicit Owner(size_t bytes) : memory_(bytes, 1) {
    child_ = fork();
    if (child_ != 0) return;
    std::memset(memory_.data(), 2, memory_.size());  // its own from here on
    while (true) pause();
  }
  ~Owner() {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }
  bool read(std::vector<char>& into) {
    const iovec local{into.data(), into.size()}, remote{memory_.data(), memory_.size()};
    return process_vm_readv(child_, &local, 1, &remote, 1, 0) == ssize_t(into.size());
  }

 private:
  std::vector<char> memory_;
  pid_t child_ = -1;
};

void read(benchmark::State& state) {
  Owner owner(size_t(state.range(0)));
  std::vector<char> into(size_t(state.range(0)));
  usleep(100'000);  // it touches its memory
  for (auto _ : state) {
    if (!owner.read(into)) return state.SkipWithError("no process may read another's memory here");
  }
  state.SetBytesProcessed(int64_t(state.iterations()) * state.range(0));
}

void copy(benchmark::State& state) {
  std::vector<char> from(size_t(state.range(0)), 1), to(from.size());
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), from.size());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(int64_t(state.iterations()) * state.range(0));
}

BENCHMARK(read)
    ->Name("private_read/process_vm_readv")
    ->ArgName("bytes")
    ->RangeMultiplier(8)
    ->Range(4 << 10, 64 << 20);
BENCHMARK(copy)->Name("private_read/memcpy")->ArgName("bytes")->RangeMultiplier(8)->Range(4 << 10, 64 << 20);

}  // namespace
