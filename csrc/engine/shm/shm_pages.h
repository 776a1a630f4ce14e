// ShmPages: SharedPages over one memfd per rank.
//
// Threads:    as SharedPages.   Ownership: owns the mappings, shares the peers (for their bells).
// Invariants: a publish is seen by every rank that polls, and wakes every rank that sleeps.
#pragma once
#include <memory>
#include <vector>

#include "engine/shared_pages.h"
#include "engine/shm/process_page.h"

namespace dlslime::shm {

class PeerDirectory {  // who has been proven to be on this host
 public:
  virtual ~PeerDirectory() = default;
  virtual Status meet(const PeerInfo& peer, std::shared_ptr<ShmPeer>* out) = 0;
  virtual const SharedHeap& heap() const = 0;  // this process's
  virtual size_t show_heap() = 0;  // to all who have been met; answers how many arenas they can see
};

class ShmPages final : public SharedPages {
 public:
  static Status create(const Layout& layout, PeerDirectory& directory, std::unique_ptr<ShmPages>* out);

  std::string offer() const override { return mine().offer(); }
  Status attach(int rank, const PeerInfo& peer, std::string_view offer) override;
  void publish(size_t line, uint64_t value) override;
  size_t give_back(size_t from) override;
  bool is_mapped(std::span<const std::byte> mine) override;
  Status mapped(int owner, uint64_t address, size_t bytes, const std::byte** at) const override;
  bool can_read_private() const override { return can_read_private_; }
  Status read_private(int owner, uint64_t address, std::span<std::byte> into) const override;

 private:
  ShmPages(const Layout& layout, PeerDirectory& directory);
  const SharedMemory& mine() const { return memory_[size_t(layout_.rank)]; }
  size_t bytes() const { return layout_.lines * sizeof(Line) + layout_.data_bytes; }
  void point(int rank);

  PeerDirectory& directory_;
  std::vector<SharedMemory> memory_;             // by rank
  std::vector<std::shared_ptr<ShmPeer>> peers_;  // by rank; null for itself
  std::vector<ShmPeer*> others_;
  size_t told_ = 0;               // arenas that had been shown when is_mapped() was called last
  bool can_read_private_ = true;  // everybody attached so far can be read
};

}  // namespace dlslime::shm
