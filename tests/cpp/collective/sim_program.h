// A random program of collectives and messages, the same for every rank, with results that each rank can check by itself.
//
// Invariants: everything follows from the program's seed; the answers are computed without the code under test.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "collective/sim_group.h"

namespace dlslime {

struct Step {
  enum class Kind : uint8_t {
    kBarrier,
    kBroadcast,
    kAllReduce,
    kReduce,
    kAllGather,
    kGather,
    kScatter,
    kReduceScatter,
    kAllToAll,
    kRing,
    kAnySource,
    kKinds
  };
  Kind kind;
  uint64_t salt;
  size_t count;  // int32 elements
  int root;
};

std::vector<Step> random_program(uint64_t seed, int ranks, int length);

// One rank's buffers for one step.
class StepRun {
 public:
  StepRun(const Step& step, int rank, int ranks) : step_(step), rank_(rank), ranks_(ranks) {}
  void fill();
  Task<> call(Group& group);
  std::string wrong() const;  // empty: the result is right
  bool ordered() const { return step_.kind < Step::Kind::kRing; }
  std::string name() const;

 private:
  using Vector = std::vector<int32_t>;
  int32_t value(int rank, int part, size_t i) const;
  Vector made(int rank, int part, size_t count) const;
  Vector summed(int part, size_t count) const;
  size_t uneven(int from, int to) const { return (step_.count * size_t(1 + (from + 2 * to) % 3)) / 2; }
  Task<> ring(Group& group);
  Task<> any_source(Group& group);

  const Step step_;
  const int rank_, ranks_;
  Vector data_;
  std::vector<Vector> in_, out_;
  std::vector<ConstBytes> in_bytes_;
  std::vector<Bytes> out_bytes_;
};

}  // namespace dlslime
