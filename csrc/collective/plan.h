// Plan: which algorithm, and which chunk, a group uses for an operation and size: a small table. Built in (plan_builtin.cpp), or
// read from a file of the same form; the ranks of a group agree on rank 0's when they meet.
//
//   all_reduce local up to 32 KiB: one_shot      operation, way, size, algorithm; rows of one operation and way grow, and
//   all_reduce local up to *: two_shot           the last says *
//   all_reduce wire up to *: shards by 1 MiB     the chunk, where the algorithm moves the vector in chunks
//   # a remark; operations that are not named keep their built-in rows
//
// Threads:    a value; reading it allocates nothing.
// Errors:     parse() answers kInvalid with the line and the reason.
// Units:      bytes: of the vector; of the largest part, where an operation has parts.
// Invariants: an operation's result depends on layout, size, dtype and plan alone, never on timing. Every size has a row, with an
//             algorithm that the operation has that way and that can do the size.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "collective/call.h"

namespace dlslime {

// Over shared pages; over messages; over both, on several hosts.
enum class Way : uint8_t { kLocal, kWire, kHosts };
inline constexpr Way kWays[] = {Way::kLocal, Way::kWire, Way::kHosts};

enum class Algorithm : uint8_t {
  kLine,     // in the control line
  kOneShot,  // everybody stages its input and folds everybody's
  kTwoShot,  // everybody folds a shard and takes the others'
  kAtRoot,   // everybody stages its input and the root folds it
  kStaged,   // through the slots, in steps
  kPull,     // out of the peers' own memory
  kDirect,   // whole, from everybody to whom it concerns
  kShards,   // everybody folds a shard and sends it on, chunk by chunk
  kTree,     // down a binomial tree
  kSpread,   // a shard to everybody, who pass theirs on
  kFlat,     // on several hosts: by messages alone, as if nobody shared memory
};
inline constexpr size_t kAlgorithms = 11;

std::string_view name_of(Way way);
std::string_view name_of(Algorithm algorithm);

// What does any size: instead of kPull, too, where not every rank can read every other's memory.
constexpr Algorithm in_place_of_pull(CollectiveKind kind) {
  const bool folds = kind == CollectiveKind::kAllReduce || kind == CollectiveKind::kReduce;
  return folds ? Algorithm::kTwoShot : Algorithm::kStaged;
}

// What an operation may run as.
struct PlanChoice {
  CollectiveKind kind;
  Way way;
  Algorithm algorithm;
};
std::span<const PlanChoice> plan_choices();
size_t most_of(Algorithm algorithm);   // bytes that it can do
bool has_chunks(Algorithm algorithm);  // moves the vector in chunks whose size the plan says
// The ranks know one size for the call when the plan is asked. Where they don't, one row says what runs, whatever the size.
bool sized(CollectiveKind kind, Way way);

class Plan {
 public:
  struct Row {
    uint64_t up_to = UINT64_MAX;
    uint32_t chunk = 0;
    Algorithm algorithm = Algorithm::kDirect;
    bool operator==(const Row&) const = default;
  };
  static constexpr size_t kMostRows = 6;  // of one operation and way
  static constexpr uint32_t kChunk = 1 << 20, kLeastChunk = 4 << 10, kMostChunk = 64 << 20;

  Plan();  // as built in
  static Status parse(std::string_view text, Plan* out);
  std::string text() const;  // parses to the same plan

  const Row& row(CollectiveKind kind, Way way, uint64_t bytes) const {
    const Row* row = rows_[size_t(kind)][size_t(way)].data();
    while (bytes > row->up_to) ++row;
    return *row;
  }
  // As the table has it.
  Algorithm choose(CollectiveKind kind, Way way, uint64_t bytes) const {
    return row(kind, way, bytes).algorithm;
  }
  // Where not every rank can read every other's memory.
  Algorithm choose_staged(CollectiveKind kind, Way way, uint64_t bytes) const {
    const Algorithm chosen = choose(kind, way, bytes);
    return chosen == Algorithm::kPull ? in_place_of_pull(kind) : chosen;
  }

  static constexpr std::string_view kBuiltIn = "built in";
  std::string origin{kBuiltIn};  // for people
  bool same_as(const Plan& other) const { return rows_ == other.rows_; }

 private:
  friend class PlanParser;
  using Rows = std::array<Row, kMostRows>;  // up to the first that has no limit
  struct Plain {};
  explicit Plan(Plain);  // one algorithm for each operation and way, whatever the size

  static constexpr size_t kKinds = size_t(CollectiveKind::kAllToAll) + 1;
  std::array<std::array<Rows, std::size(kWays)>, kKinds> rows_;
};

// What is shipped: for every machine, and what is different where a processor hands_over_fast().
extern const std::string_view kBuiltInPlan, kFastHandoverPlan;

}  // namespace dlslime
