#include "collective/scratch.h"

#include <algorithm>

#include "base/give_back.h"

namespace dlslime {
namespace {
constexpr size_t kSlice = 128 << 10;  // some 20 us
}

std::byte* Scratch::get(size_t bytes) {
  if (bytes > size_) {
    memory_.reset();  // before there is more
    size_ = 0;
    memory_ = std::make_unique_for_overwrite<std::byte[]>(bytes);
    size_ = bytes;
  }
  if (size_) watch();
  return memory_.get();
}

// Slice by slice, since freeing it at once would hold the token for as long as the pages take.
std::pair<size_t, bool> Scratch::give_back(size_t from) {
  const size_t bytes = std::min(kSlice, size_ - from);
  dlslime::give_back({memory_.get() + from, bytes});
  if (from + bytes < size_) return {from + bytes, false};
  memory_.reset();
  size_ = 0;
  return {0, true};
}

}  // namespace dlslime
