// SharedHeap: memory that other processes of this host can map, in blocks. What allocateTensor gives lies here.
//
// Threads:    any.
// Ownership:  a block belongs to who allocated it, until free(). The heap must outlive its blocks and all who look at its arenas.
// Errors:     allocate() answers kUnavailable with the system's reason, or kInvalid where no system could.
// Units:      bytes; blocks are whole pages.
// Invariants: there are more and more arenas, each at least twice as large as the one before; they stay as they are, wherever blocks
//             come and go. What is free takes no memory. A forked child has its parent's heap in sight, but frees nothing of it; what
//             the parent frees and uses again changes under the child's eyes.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <map>
#include <mutex>
#include <span>

#include "memory/shared_memory.h"

namespace dlslime {

class SharedHeap {
 public:
  static constexpr size_t kMostArenas = 24;  // twice as large each time: more than a machine has
  static constexpr size_t kSmallestArena = 64 << 20;

  SharedHeap();
  Status allocate(size_t bytes, std::span<std::byte>* block);
  void free(std::span<std::byte> block);
  bool is_this_process() const;  // that made it; else a child of it

  size_t arenas() const { return count_.load(std::memory_order_acquire); }
  const SharedMemory& arena(size_t index) const { return arenas_[index].memory; }
  // The one that has all of these bytes; arenas(): none.
  size_t arena_of(std::span<const std::byte> bytes) const;

 private:
  struct Arena {
    SharedMemory memory;
    std::map<size_t, size_t> free;  // begin, bytes; in the mapping; none touches the next
    std::byte* take(size_t bytes);
    void put_back(size_t begin, size_t bytes);
  };
  Status add_arena(size_t bytes);

  const int process_;
  std::mutex mutex_;
  std::array<Arena, kMostArenas> arenas_;
  std::atomic<size_t> count_{0};
};

}  // namespace dlslime
