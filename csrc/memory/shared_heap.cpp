#include "memory/shared_heap.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>

namespace dlslime {
namespace {

size_t page() {
  static const auto bytes = size_t(sysconf(_SC_PAGESIZE));
  return bytes;
}

size_t whole_pages(size_t bytes) { return (bytes + page() - 1) / page() * page(); }

}  // namespace

SharedHeap::SharedHeap() : process_(getpid()) {}

bool SharedHeap::is_this_process() const { return getpid() == process_; }

Status SharedHeap::allocate(size_t bytes, std::span<std::byte>* block) {
  if (bytes > SIZE_MAX - 2 * page()) return {Code::kInvalid, "so many bytes can't be"};
  const size_t wanted = whole_pages(std::max<size_t>(bytes, 1));
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < arenas(); ++i) {
    if (std::byte* at = arenas_[i].take(wanted)) return *block = {at, bytes}, Status();
  }
  if (Status added = add_arena(wanted); !added.ok()) return added;
  *block = {arenas_[arenas() - 1].take(wanted), bytes};
  return {};
}

Status SharedHeap::add_arena(size_t bytes) {
  const size_t index = arenas();
  if (index == kMostArenas) return {Code::kUnavailable, "the shared heap can't grow any more"};
  const size_t before = index ? arenas_[index - 1].memory.mapping().size() : kSmallestArena / 2;
  // The first page has the nonce.
  const size_t mapped = std::max(2 * before, page() + bytes);
  Arena& arena = arenas_[index];
  if (Status made = SharedMemory::create("heap", mapped - SharedMemory::kHead, &arena.memory); !made.ok())
    return made;
  arena.free.emplace(page(), mapped - page());
  count_.store(index + 1, std::memory_order_release);
  return {};
}

void SharedHeap::free(std::span<std::byte> block) {
  if (!is_this_process()) return;
  const size_t index = arena_of(block);
  if (index == arenas()) return;
  Arena& arena = arenas_[index];
  const size_t begin = size_t(block.data() - arena.memory.mapping().data());
  const size_t bytes = whole_pages(std::max<size_t>(block.size(), 1));
  // Milliseconds, where it is large: nobody else has it yet, so nobody need wait for that.
  arena.memory.give_back(begin - SharedMemory::kHead, bytes);
  const std::lock_guard lock(mutex_);
  arena.put_back(begin, bytes);
}

size_t SharedHeap::arena_of(std::span<const std::byte> bytes) const {
  const size_t count = arenas();
  for (size_t i = 0; i < count; ++i) {
    const auto all = arenas_[i].memory.mapping();
    if (bytes.data() >= all.data() && bytes.data() + bytes.size() <= all.data() + all.size()) return i;
  }
  return count;
}

std::byte* SharedHeap::Arena::take(size_t bytes) {
  for (auto hole = free.begin(); hole != free.end(); ++hole) {
    const auto [begin, size] = *hole;
    if (size < bytes) continue;
    free.erase(hole);
    if (size > bytes) free.emplace(begin + bytes, size - bytes);
    return memory.mapping().data() + begin;
  }
  return nullptr;
}

void SharedHeap::Arena::put_back(size_t begin, size_t bytes) {
  auto after = free.lower_bound(begin);
  if (after != free.end() && after->first == begin + bytes) {
    bytes += after->second;
    after = free.erase(after);
  }
  if (after != free.begin()) {
    const auto before = std::prev(after);
    if (before->first + before->second == begin) {
      before->second += bytes;
      return;
    }
  }
  free.emplace(begin, bytes);
}

}  // namespace dlslime
