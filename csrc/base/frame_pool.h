// FramePool: where coroutine frames live, so that a steady state allocates nothing.
//
// Threads:    used only under the token of the executor that owns it, hence no lock.
// Ownership:  a frame remembers its pool and returns to it.
// Units:      size classes of 128 bytes up to 4 KiB; larger frames go to the heap.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace dlslime {

class FramePool {
 public:
  FramePool() = default;
  FramePool(const FramePool&) = delete;
  FramePool& operator=(const FramePool&) = delete;
  ~FramePool();

  static void* allocate(size_t bytes);  // from the pool current on this thread, else from the heap
  static void release(void* frame);

  uint64_t heap_allocations() const { return heap_allocations_; }

  // Makes `pool` current on this thread for the object's lifetime.
  class Use {
   public:
    explicit Use(FramePool& pool);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    FramePool* before_;
  };

 private:
  struct Header {
    FramePool* pool;
    size_t size_class;
  };
  struct Free {
    Free* next;
  };
  static constexpr size_t kGranule = 128;
  static constexpr size_t kClasses = 33;

  std::array<Free*, kClasses> free_{};
  uint64_t heap_allocations_ = 0;
};

}  // namespace dlslime
