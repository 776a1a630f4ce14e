// Memory that the other ranks of a host can map: blocks of the process's SharedHeap.
#include "torch_ext/allocator.h"

#include "torch_ext/backend.h"

namespace dlslime {
namespace {

struct Block {
  SharedHeap& heap;
  std::span<std::byte> memory;
};

void release(void* context) {
  const std::unique_ptr<Block> block(static_cast<Block*>(context));
  block->heap.free(block->memory);
}

class SharedAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    if (bytes == 0) return {nullptr, c10::Device(c10::kCPU)};
    auto block = std::make_unique<Block>(tensor_heap(), std::span<std::byte>());
    const Status status = block->heap.allocate(bytes, &block->memory);
    TORCH_CHECK_WITH(OutOfMemoryError, status.ok(), "dlslime: can't allocate ", bytes,
                     " bytes of shared memory: ", status.what());
    void* const at = block->memory.data();
    return {at, block.release(), &release, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return nullptr; }
  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }
};

// Leaked: tensors may outlive every backend.
const std::shared_ptr<c10::Allocator>& shared_allocator() {
  static const auto* const allocator =
      new std::shared_ptr<c10::Allocator>(std::make_shared<SharedAllocator>());
  return *allocator;
}

std::atomic<SharedHeap*> g_heap{nullptr};

}  // namespace

SharedHeap& tensor_heap() {
  SharedHeap* heap = g_heap.load();
  while (!heap || !heap->is_this_process()) {
    auto made = std::make_unique<SharedHeap>();
    if (g_heap.compare_exchange_strong(heap, made.get())) heap = made.release();
  }
  return *heap;
}

std::shared_ptr<c10::Allocator> DlslimeBackend::getMemAllocator() { return shared_allocator(); }

at::Tensor DlslimeBackend::allocateTensor(long size, at::TensorOptions options) {
  TORCH_CHECK_VALUE(size >= 0, "dlslime: allocateTensor: size ", size, " must be at least 0");
  TORCH_CHECK_VALUE(options.device().is_cpu(), "dlslime: allocateTensor on ", options.device(),
                    "; devices served: cpu");
  const size_t bytes = size_t(size) * options.dtype().itemsize();
  c10::Storage storage(c10::Storage::use_byte_size_t(), bytes, shared_allocator()->allocate(bytes),
                       shared_allocator().get(), false);
  return at::empty({0}, options).set_(std::move(storage), 0, {size}, {1});
}

}  // namespace dlslime
