// How an engine joins the conformance suite: a pair of processes, as it sees them, in one process and one thread.
//
//   const bool joined = join_conformance({.name = "quic", .make = [](uint64_t) { return std::make_unique<QuicPair>(); }});
//
// in a file of its own, tests/cpp/engine/<engine>_fixture_test.cc. That is all.
//
// Threads:    one: drive() gives each side's executor a pass under its token. Nothing sleeps, so no bell is needed; the bell is
//             tested through Executor::wait by a second thread, only where `threads` says so.
// Ownership:  the pair owns both sides; the suite destroys endpoints and pages before the pair.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "memory/shared_heap.h"

namespace dlslime::conformance {

struct Side {
  Executor* executor = nullptr;
  RegionTable* regions = nullptr;
  Engine* engine = nullptr;
  PeerInfo info;               // with the engine's address
  SharedHeap* heap = nullptr;  // null: the engine can't map one
};

class EnginePair {
 public:
  virtual ~EnginePair() = default;
  Side a, b;

  // Both sides get a pass. False: nothing will ever happen again (the simulator knows); a real engine never
  // says so.
  virtual bool drive() = 0;
  // B's process dies, without a word. False: this fixture cannot do that (a test of the engine's own does,
  // then).
  virtual bool kill_b() { return false; }
};

struct EngineFixture {
  std::string name;
  std::function<std::unique_ptr<EnginePair>(uint64_t seed)> make;
  int seeds = 1;         // how many different pairs every case runs with
  bool threads = false;  // the sides may be driven by Executor::run in two threads, and sleep
  // Case -> the reason why this engine cannot do it; printed at the end.
  std::map<std::string, std::string> exceptions;
};

bool join_conformance(EngineFixture fixture);
const std::vector<EngineFixture>& fixtures();

}  // namespace dlslime::conformance
