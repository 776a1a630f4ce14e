// The ring of shared memory alone: bytes in at one end and out at the other, by turns on one core (two copies), and by two threads.
#include <benchmark/benchmark.h>

#include <atomic>
#include <thread>
#include <vector>

#include "micro/sides.h"

namespace dlslime::micro {
namespace {

// Both ends of one ring each way.
class Rings {
 public:
  Rings() : a_(end(sides_.a, sides_.b)), b_(end(sides_.b, sides_.a)) {
    mine_ = make();
    theirs_ = make();
    out_ = std::make_unique<shm::RingPipe>(a_, open(mine_), open(theirs_));
    in_ = std::make_unique<shm::RingPipe>(b_, open(theirs_), open(mine_));
  }
  shm::RingPipe& out() { return *out_; }
  shm::RingPipe& in() { return *in_; }

 private:
  static std::shared_ptr<shm::ShmPeer> end(Side<ShmEngine>& from, Side<ShmEngine>& to) {
    std::shared_ptr<shm::ShmPeer> peer;
    const Status met = from.engine->meet(to.self, &peer);
    if (!met.ok()) throw Failure(met);
    return peer;
  }
  static SharedMemory make() {
    SharedMemory memory;
    const Status made = SharedMemory::create("ring", sizeof(shm::Ring), &memory);
    if (!made.ok()) throw Failure(made);
    return memory;
  }
  static SharedMemory open(const SharedMemory& made) {
    SharedMemory memory;
    const Status opened = SharedMemory::open(getpid(), made.offer(), sizeof(shm::Ring), &memory);
    if (!opened.ok()) throw Failure(opened);
    return memory;
  }

  Sides<ShmEngine> sides_;
  std::shared_ptr<shm::ShmPeer> a_, b_;
  SharedMemory mine_, theirs_;
  std::unique_ptr<shm::RingPipe> out_, in_;
};

size_t write(shm::RingPipe& pipe, std::span<const std::byte> bytes) {
  const iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  return pipe.write({&part, 1});
}

void turns(benchmark::State& state) {
  Rings rings;
  std::vector<std::byte> from(size_t(state.range(0))), to(from.size());
  for (auto _ : state) {
    write(rings.out(), from);
    rings.in().read(to);
  }
  state.SetBytesProcessed(int64_t(state.iterations()) * state.range(0));
}

void threads(benchmark::State& state) {
  Rings rings;
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    std::vector<std::byte> to(256 << 10);
    while (!stop.load(std::memory_order_relaxed)) rings.in().read(to);
  });
  const std::vector<std::byte> from(size_t(state.range(0)));
  for (auto _ : state) {
    for (size_t sent = 0; sent < from.size();) sent += write(rings.out(), std::span(from).subspan(sent));
  }
  stop = true;
  reader.join();
  state.SetBytesProcessed(int64_t(state.iterations()) * state.range(0));
}

BENCHMARK(turns)->Name("ring/turns")->ArgName("bytes")->Arg(64)->Arg(4096)->Arg(64 << 10);
BENCHMARK(threads)->Name("ring/threads")->ArgName("bytes")->Arg(4096)->Arg(64 << 10)->UseRealTime();

}  // namespace
}  // namespace dlslime::micro
