#include "base/give_back.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace dlslime {

void give_back(std::span<std::byte> memory) {
  static const uintptr_t kPage = uintptr_t(sysconf(_SC_PAGESIZE));
  const uintptr_t from = reinterpret_cast<uintptr_t>(memory.data()), until = from + memory.size();
  const uintptr_t first = (from + kPage - 1) / kPage * kPage, last = until / kPage * kPage;
  if (first < last) (void)madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

}  // namespace dlslime
