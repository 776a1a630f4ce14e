// The simulator's engine in the conformance suite.
#include "engine/fixture.h"
#include "engine/sim/sim_world.h"

namespace dlslime::conformance {
namespace {

class SimPair final : public EnginePair {
 public:
  explicit SimPair(uint64_t seed) : world_(config(seed)) {
    a = side(0);
    b = side(1);
  }
  bool drive() override { return world_.step(); }
  bool kill_b() override {
    world_.kill(1);
    return true;
  }

 private:
  static SimConfig config(uint64_t seed) {
    SimConfig config = SimConfig::for_seed(seed, 2);
    config.idle_hosts_rest = false;  // the cases drive the engines without operations
    return config;
  }
  Side side(int rank) {
    SimHost& host = world_.host(rank);
    return {&host.executor(), &host.regions(), &host.engine(), host.info()};
  }
  SimWorld world_;
};

const bool joined = join_conformance({
    .name = "sim",
    .make = [](uint64_t seed) { return std::make_unique<SimPair>(seed); },
    .seeds = 40,
    .exceptions = {{"TheBellWakesASleeper", "virtual time: nobody sleeps"}},
});

}  // namespace
}  // namespace dlslime::conformance
