#include "base/frame_pool.h"

#include <new>

namespace dlslime {
namespace {
thread_local FramePool* current_pool = nullptr;
}

FramePool::~FramePool() {
  for (Free* list : free_) {
    while (list) {
      Free* next = list->next;
      ::operator delete(static_cast<void*>(list));
      list = next;
    }
  }
}

FramePool::Use::Use(FramePool& pool) : before_(current_pool) { current_pool = &pool; }
FramePool::Use::~Use() { current_pool = before_; }

void* FramePool::allocate(size_t bytes) {
  const size_t size_class = (bytes + sizeof(Header) + kGranule - 1) / kGranule;
  FramePool* pool = current_pool;
  void* block = nullptr;
  if (pool && size_class < kClasses && pool->free_[size_class]) {
    block = pool->free_[size_class];
    pool->free_[size_class] = pool->free_[size_class]->next;
  } else {
    if (pool) ++pool->heap_allocations_;
    block = ::operator new(size_class * kGranule);
  }
  auto* header = new (block) Header{pool, size_class};
  return header + 1;
}

void FramePool::release(void* frame) {
  auto* header = static_cast<Header*>(frame) - 1;
  FramePool* pool = header->pool;
  const size_t size_class = header->size_class;
  if (!pool || size_class >= kClasses) return ::operator delete(static_cast<void*>(header));
  pool->free_[size_class] = new (static_cast<void*>(header)) Free{pool->free_[size_class]};
}

}  // namespace dlslime
