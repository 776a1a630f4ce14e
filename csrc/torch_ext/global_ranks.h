// GlobalRanks: what the ranks of a group are called in the default group, for people. A value.
//
// Invariants: the core knows ranks of groups only; whoever words an error for a user says both where they differ.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace dlslime {

class GlobalRanks {
 public:
  GlobalRanks() = default;
  explicit GlobalRanks(std::vector<uint64_t> global) : global_(std::move(global)) {}

  // Without knowledge: the same.
  uint64_t at(int rank) const {
    return rank >= 0 && size_t(rank) < global_.size() ? global_[size_t(rank)] : uint64_t(rank);
  }
  // "1", or "1 (global rank 5)".
  std::string name(int rank) const {
    const bool differs = at(rank) != uint64_t(rank);
    return std::to_string(rank) +
           (differs ? " (global rank " + std::to_string(at(rank)) + ")" : std::string());
  }
  // "its ranks are the global ranks 4, 5, 7"; empty: they are called the same, or are too many for a message.
  std::string legend() const {
    constexpr size_t kMost = 32;
    bool differ = false;
    std::string text;
    for (size_t rank = 0; rank < global_.size(); ++rank) {
      differ |= global_[rank] != rank;
      text += (rank ? ", " : "") + std::to_string(global_[rank]);
    }
    return differ && global_.size() <= kMost ? "its ranks are the global ranks " + text : std::string();
  }

 private:
  std::vector<uint64_t> global_;
};

}  // namespace dlslime
