// Memory that other processes can map: anonymous files, shared mappings.
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "torch_ext/backend.h"

namespace dlslime {
namespace {

struct Mapping {
  UniqueFd file;
  void* at = nullptr;
  size_t bytes = 0;
  ~Mapping() {
    if (at) munmap(at, bytes);
  }
};

void release(void* context) { delete static_cast<Mapping*>(context); }

class SharedAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    if (bytes == 0) return {nullptr, c10::Device(c10::kCPU)};
    auto mapping = std::make_unique<Mapping>();
    mapping->file = UniqueFd(memfd_create("dlslime", MFD_CLOEXEC));
    const bool sized = mapping->file && ftruncate(mapping->file.get(), off_t(bytes)) == 0;
    void* at =
        sized ? mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, mapping->file.get(), 0) : MAP_FAILED;
    TORCH_CHECK_WITH(OutOfMemoryError, at != MAP_FAILED, "dlslime: can't allocate ", bytes,
                     " bytes of shared memory: ", c10::utils::str_error(errno));
    mapping->at = at;
    mapping->bytes = bytes;
    return {at, mapping.release(), &release, c10::Device(c10::kCPU)};
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

}  // namespace

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
