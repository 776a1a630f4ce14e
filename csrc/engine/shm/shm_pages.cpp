#include "engine/shm/shm_pages.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace dlslime::shm {

ShmPages::ShmPages(const Layout& layout, PeerDirectory& directory)
    : SharedPages(layout), directory_(directory), memory_(size_t(layout.size)), peers_(size_t(layout.size)) {}

Status ShmPages::create(const Layout& layout, PeerDirectory& directory, std::unique_ptr<ShmPages>* out) {
  std::unique_ptr<ShmPages> pages(new ShmPages(layout, directory));
  Status status = SharedMemory::create("group", pages->bytes(), &pages->memory_[size_t(layout.rank)]);
  if (!status.ok()) return status;
  pages->point(layout.rank);
  *out = std::move(pages);
  return {};
}

void ShmPages::point(int rank) {
  std::byte* at = memory_[size_t(rank)].contents();
  words_[size_t(rank)] = lines_[size_t(rank)] = reinterpret_cast<Line*>(at);
  data_[size_t(rank)] = at + layout_.lines * sizeof(Line);
}

Status ShmPages::attach(int rank, const PeerInfo& peer, std::string_view offer) {
  std::shared_ptr<ShmPeer> found;
  if (Status met = directory_.meet(peer, &found); !met.ok()) return met;
  Status status = SharedMemory::open(found->pid(), offer, bytes(), &memory_[size_t(rank)]);
  if (!status.ok()) return status;
  point(rank);
  can_read_private_ &= found->can_read();
  others_.push_back(found.get());
  peers_[size_t(rank)] = std::move(found);
  return {};
}

void ShmPages::publish(size_t line, uint64_t value) {
  words_[size_t(layout_.rank)][line].word.store(value, std::memory_order_seq_cst);
  for (const ShmPeer* peer : others_) peer->ring();
}

size_t ShmPages::give_back(size_t from) {
  constexpr size_t kSlice = 128 << 10;
  const size_t before = layout_.lines * sizeof(Line);
  const size_t until = mine().give_back(before + from, std::min(kSlice, layout_.data_bytes - from));
  return until > before + from ? until - before : layout_.data_bytes;
}

bool ShmPages::is_mapped(std::span<const std::byte> mine) {
  const SharedHeap& heap = directory_.heap();
  const size_t arena = heap.arena_of(mine);
  if (arena == heap.arenas()) return false;
  const bool told = arena < std::exchange(told_, directory_.show_heap());
  bool all = true;
  for (ShmPeer* peer : others_) all &= peer->map_shown();
  return told && all;
}

Status ShmPages::mapped(int owner, uint64_t address, size_t bytes, const std::byte** at) const {
  *at = peers_[size_t(owner)]->mapped(address, bytes);
  if (*at) return {};
  return {Code::kInvalid, "the peer says that its tensor is mapped here, and it is not"};
}

Status ShmPages::read_private(int owner, uint64_t address, std::span<std::byte> into) const {
  const ShmPeer& peer = *peers_[size_t(owner)];
  const std::byte* const here = peer.mapped(address, into.size());
  if (!here) return peer.read(address, into);
  std::memcpy(into.data(), here, into.size());
  return {};
}

}  // namespace dlslime::shm
