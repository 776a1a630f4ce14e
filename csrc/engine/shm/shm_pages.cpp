#include "engine/shm/shm_pages.h"

#include <algorithm>

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

Status ShmPages::read_private(int owner, uint64_t address, std::span<std::byte> into) const {
  const Status read = peers_[size_t(owner)]->read(address, into);
  __sync_synchronize();  // no word that is read after this may be older; TSan knows no std::atomic_thread_fence
  return read;
}

}  // namespace dlslime::shm
