// Regions: memory that peers were granted access to, and the check of every such access.
//
// Threads:    under the executor's token.
// Ownership:  the memory stays the granter's; it must outlive the Grant. A Grant revokes itself when destroyed.
// Errors:     check() answers kDenied with what was asked and what the limit is; it never touches the memory.
// Units:      bytes.
// Invariants: ids are never used twice; a revoked region is refused from that moment on. For engines that read a peer's memory
//             from outside, `live` words hold the digests of valid regions: a reader compares before and after it has read.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/status.h"

namespace dlslime {

enum class Rights : uint8_t { kRead = 1, kWrite = 2 };

using RegionKey = std::array<uint8_t, 16>;

// What a peer holds: travels in messages as it stands.
struct RemoteRegion {
  uint64_t id = 0;
  RegionKey key{};
  uint64_t address = 0;  // in the owner's address space
  uint64_t length = 0;
  Rights rights = Rights::kRead;
  uint8_t reserved[7]{};
};
static_assert(sizeof(RemoteRegion) == 48);

// All of a region in one word, never 0: what RegionTable shows to those who read its memory from outside.
uint64_t digest_of(const RemoteRegion& region);

class RegionTable {
 public:
  static constexpr size_t kLiveSlots = 1024;
  static constexpr uint64_t slot_of(uint64_t id) { return id % kLiveSlots; }

  RegionTable();
  // Where valid regions are shown to outside readers: kLiveSlots words, which must outlive the table.
  void show_live(std::span<std::atomic<uint64_t>> words);

  struct Access {
    uint64_t id;
    RegionKey key;
    uint64_t offset;
    uint64_t length;
    Rights right;
  };
  // The local address of the access, or kDenied.
  Status check(const Access& access, std::byte** address) const;
  // For bytes still arriving after a check: is the region still there?
  bool valid(uint64_t id) const { return entries_.contains(id); }
  // Can a peer that reads from outside see that the region is valid? No while too many others are: then it must be put instead.
  bool shown(uint64_t id) const {
    const auto found = entries_.find(id);
    return found != entries_.end() && (live_.empty() || found->second.shown);
  }

 private:
  friend class Grant;
  struct Entry {
    std::span<std::byte> memory;
    RegionKey key;
    Rights rights;
    bool shown;  // in its live word
  };
  RemoteRegion add(std::span<std::byte> memory, Rights rights);
  void revoke(uint64_t id);

  std::unordered_map<uint64_t, Entry> entries_;
  std::span<std::atomic<uint64_t>> live_;
  uint64_t next_ = 1;
};

class Grant {
 public:
  Grant() = default;
  Grant(RegionTable& table, std::span<std::byte> memory, Rights rights)
      : table_(&table), region_(table.add(memory, rights)) {}
  Grant(Grant&& other) noexcept : table_(std::exchange(other.table_, nullptr)), region_(other.region_) {}
  Grant& operator=(Grant&& other) noexcept {
    if (this != &other) {
      reset();
      table_ = std::exchange(other.table_, nullptr);
      region_ = other.region_;
    }
    return *this;
  }
  ~Grant() { reset(); }

  explicit operator bool() const { return table_ != nullptr; }
  const RemoteRegion& region() const { return region_; }
  void reset() {
    if (table_) std::exchange(table_, nullptr)->revoke(region_.id);
  }

 private:
  RegionTable* table_ = nullptr;
  RemoteRegion region_;
};

}  // namespace dlslime
