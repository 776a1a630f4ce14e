// Step: one collective or exchange of messages of a random program; every rank that holds the same step calls the same.
//
// Threads:    values.   Units: counts are elements of the step's type.
// Invariants: everything follows from the step's numbers, so that each rank knows what all others contribute.
#pragma once
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "collective/plan.h"
#include "reduce/dtype.h"

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
  Kind kind = Kind::kBarrier;
  uint64_t salt = 0;
  size_t count = 0;
  int root = 0;
  DType dtype = DType::I32;
  ReduceKind op = ReduceKind::Sum;
  int swapped = -1;  // part(p) of this rank and of the next one are exchanged: other sizes, the same total

  bool ordered() const { return kind < Kind::kRing; }
  bool reduces() const;
  bool rooted() const;
  bool together() const { return kind == Kind::kAllReduce && salt >> 16 & 1; }  // all_reduce_together
  size_t part(int p) const;             // all_gather: what rank p gives; reduce_scatter: what it gets
  size_t part(int from, int to) const;  // all_to_all
  // Whether `rank` can't be done before `other` has joined in, however the collective runs.
  bool needs(int rank, int other) const;
  std::string name() const;
};

std::vector<Step> random_program(uint64_t seed, int ranks, int length);

// The sizes at which algorithms change, drawn low for some seeds, so that small vectors take every path.
Plan random_plan(uint64_t seed);
Plan plan_of(std::string_view text);  // throws where it is none

// How one rank's call may differ from all others'. kSizes: sizes by rank that differ where their sum does not.
enum class Deviation : uint8_t { kKind, kOp, kDType, kSize, kRoot, kSizes };
// What the rank calls instead, or nothing where this step can't differ in that way.
std::optional<Step> deviating(const Step& step, Deviation how, int ranks, std::mt19937_64& random);

}  // namespace dlslime
