// run_simulated: one program, a coroutine, on every rank of a simulated world.
//
//   const SimResult result = run_simulated(SimConfig::for_seed(seed, 4), [&](SimHost& host) -> Task<> {
//     ... co_await ...
//   });
//   EXPECT_TRUE(result.ok()) << result.describe();
//
// Threads:    one.
// Ownership:  the program lives until the run is over, so its lambda may capture; what it creates belongs in its frames, which
//             are unwound (a killed rank's too, with kAborted) before the run returns.
// Errors:     result.ranks[r]: how rank r's program ended; kAborted if the rank never ended by itself (killed or frozen).
//             result.world: ok, or the deadlock, livelock or limit that ended the run.
// Units:      Nanos of virtual time.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/sim/sim_world.h"

namespace dlslime {

using SimProgram = std::function<Task<>(SimHost&)>;

struct SimFault {
  enum class Kind : uint8_t { kKill, kFreeze };
  Kind kind = Kind::kKill;
  int rank = 0;
  uint64_t at_step = 0;
};

struct SimOptions {
  std::vector<SimFault> faults;
  Nanos deadline = std::chrono::seconds(60);  // of every rank's program
  Nanos limit = std::chrono::seconds(600);    // of the run
};

struct SimResult {
  Status world;
  std::vector<Status> ranks;
  std::vector<bool> ended;  // by itself: neither killed nor frozen before
  std::vector<uint64_t> steps;
  std::vector<Nanos> when;  // the rank's program ended
  Nanos duration{0};
  uint64_t events = 0;
  std::string config;

  bool ok() const;  // the world and every rank
  std::string describe() const;
};

SimResult run_simulated(const SimConfig& config, const SimProgram& program, const SimOptions& options = {});

// For programs that start operations of their own: submit(op), then co_await finished(op).
inline auto finished(const Operation& op) {
  return until([&op] { return op.done(); });
}

}  // namespace dlslime
