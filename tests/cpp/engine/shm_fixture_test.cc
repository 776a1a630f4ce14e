// The shared-memory engine in the conformance suite: both sides map each other's pages through /proc, as two processes would. With
// direct reads (process_vm_readv) and without.
#include "base/reactor.h"
#include "engine/fixture.h"
#include "engine/runtime.h"
#include "engine/shm/shm_engine.h"

namespace dlslime::conformance {
namespace {

struct ShmSide {
  explicit ShmSide(bool direct_reads) : executor(clock, &reactor, Ladder{}), self(new_identity("this host")) {
    const Status made =
        ShmEngine::create({direct_reads}, {clock, executor, reactor, regions, heap, self}, &engine);
    if (!made.ok()) throw Failure(made);
    self.addresses["shm"] = engine->address();
    executor.add(reactor);
    executor.add(*engine);
  }
  Side side() { return {&executor, &regions, engine.get(), self, &heap}; }

  SteadyClock clock;
  Reactor reactor;
  Executor executor;
  RegionTable regions;
  SharedHeap heap;
  PeerInfo self;
  std::unique_ptr<ShmEngine> engine;
};

class ShmPair final : public EnginePair {
 public:
  explicit ShmPair(bool direct_reads) : one_(direct_reads), other_(direct_reads) {
    a = one_.side();
    b = other_.side();
  }
  bool drive() override {
    for (ShmSide* side : {&one_, &other_})
      side->executor.with_token([side] { return side->executor.pass(); });
    return true;
  }

 private:
  ShmSide one_, other_;
};

const bool direct = join_conformance({
    .name = "shm",
    .make = [](uint64_t) { return std::make_unique<ShmPair>(true); },
    .threads = true,
    .exceptions = {{"ThePeerDies", "a process of its own is needed for that: see the Python fault tests"}},
});
const bool rings_only = join_conformance({
    .name = "shm_without_direct_reads",
    .make = [](uint64_t) { return std::make_unique<ShmPair>(false); },
    .threads = true,
    .exceptions = {{"ThePeerDies", "a process of its own is needed for that: see the Python fault tests"}},
});

}  // namespace
}  // namespace dlslime::conformance
