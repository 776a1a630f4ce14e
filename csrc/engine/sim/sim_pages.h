// SimPages: shared pages over plain memory, whose words reach each reader late.
//
// Threads:    one, whatever the contract allows.
// Ownership:  a rank's memory lives as long as anybody has attached it; its readers' copies of the words are their own.
// Errors:     see SharedPages; reading a dead rank's private memory is kPeerDied.
// Invariants: a later value may overtake an earlier one, which is then dropped. Payload and data are seen at once: whoever
//             overwrites them before a slow reader has read them shows as wrong data. A private read sees its owner's words as of then.
#pragma once
#include <cstdlib>
#include <memory>
#include <vector>

#include "engine/shared_pages.h"

namespace dlslime {

class SimHost;
class SimPages;

// Aligned, zeroed, and untouched until used: 64 ranks have 4096 of these.
class SimMemory {
 public:
  SimMemory(size_t bytes, size_t alignment);
  std::byte* data() const { return at_; }

 private:
  struct Free {
    void operator()(void* memory) const { ::free(memory); }
  };
  std::unique_ptr<void, Free> memory_;
  std::byte* at_;
};

struct SimShare {  // what one rank shares
  SimShare(const SharedPages::Layout& layout, int rank);
  SimMemory lines, data;
  const int host_rank;
  const SharedPages::Layout layout;
  std::vector<SimPages*> readers;
};

class SimPages final : public SharedPages {
 public:
  SimPages(SimHost& host, const Layout& layout);
  ~SimPages() override;

  std::string offer() const override { return std::to_string(offer_); }
  Status attach(int rank, const PeerInfo& peer, std::string_view offer) override;
  void publish(size_t line, uint64_t value) override;
  size_t give_back(size_t from) override;
  bool is_mapped(std::span<const std::byte> mine) override;
  Status mapped(int owner, uint64_t address, size_t bytes, const std::byte** at) const override;
  bool can_read_private() const override;
  Status read_private(int owner, uint64_t address, std::span<std::byte> into) const override;

 private:
  Status look_at(int owner) const;

  SimHost& host_;
  uint64_t offer_;
  uint64_t asked_ = 0;                             // is_mapped(), how often
  std::vector<std::shared_ptr<SimShare>> shares_;  // by rank
  // By rank: this reader's copy of the words, none for itself. Publishes under way keep it.
  std::vector<std::shared_ptr<SimMemory>> seen_;
};

}  // namespace dlslime
