// ProcessPage: what each process shows to all others on its host. ShmPeer: another process's page, proven to be its.
//
// Threads:    ring() from any; the rest under the token.
// Ownership:  owns mapping and descriptors.
// Errors:     open() says what is in the way: another host (kElsewhere), another PID namespace, no permission. The texts name no
//             process and no descriptor: the same trouble with many peers is one reason.
// Invariants: `asleep` is written by the page's owner only; a publisher stores its word first, then looks at `asleep`; a sleeper sets
//             `asleep` first, then looks at the words: one of them sees the other (both sequentially consistent).
//             Bytes that read() answers were the peer's own, whoever has its process number by now.
#pragma once
#include <sys/mman.h>

#include <atomic>
#include <memory>

#include "base/fd.h"
#include "engine/peer_info.h"
#include "memory/region.h"
#include "memory/shared_heap.h"
#include "memory/shared_memory.h"

namespace dlslime::shm {

struct PageContents {
  struct Arena {
    uint64_t address, bytes;  // of the mapping, in its owner
    std::array<char, SharedMemory::kOfferBytes> offer;
  };
  alignas(128) std::atomic<uint32_t> asleep;
  alignas(128) std::atomic<int32_t> cpu;  // 1 + where its driving thread was when it yielded last
  alignas(128) std::atomic<uint64_t> live[RegionTable::kLiveSlots];  // RegionTable::show_live
  alignas(128) std::atomic<uint64_t> arena_count;                    // of those that are complete; only grows
  Arena arenas[SharedHeap::kMostArenas];
};

class ProcessPage {
 public:
  static Status create(std::unique_ptr<ProcessPage>* out);

  std::string address() const;
  PageContents& contents() { return *reinterpret_cast<PageContents*>(memory_.contents()); }
  int bell_fd() const { return bell_read_.get(); }
  void silence();                       // empties the bell
  size_t show(const SharedHeap& heap);  // all its arenas; answers how many

 private:
  struct Unmap {
    void operator()(Nonce* proof) const { munmap(proof, sizeof *proof); }
  };
  SharedMemory memory_;
  // The page's nonce, where nobody else has it: a forked child finds zeros there (Linux 4.14).
  std::unique_ptr<Nonce, Unmap> proof_;
  // A pipe: peers open its end through /proc, which an eventfd does not allow.
  UniqueFd bell_read_, bell_write_;
};

class ShmPeer {
 public:
  static Status open(const PeerInfo& self, const PeerInfo& peer, std::unique_ptr<ShmPeer>* out);

  int pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }
  bool can_read() const { return why_unreadable_.empty(); }  // its private memory, by process_vm_readv
  const std::string& why_unreadable() const { return why_unreadable_; }
  Status read(uint64_t address, std::span<std::byte> into) const;
  // Its heap. Maps what it has shown since; false: that, or an earlier one, can't be mapped.
  bool map_shown();
  // Where this process sees these bytes of the peer; null: it has not mapped them.
  const std::byte* mapped(uint64_t address, size_t bytes) const;
  bool grants(const RemoteRegion& region) const {
    return contents().live[RegionTable::slot_of(region.id)].load(std::memory_order_seq_cst) ==
           digest_of(region);
  }
  int cpu() const {  // where it runs, as far as is known; -1: it sleeps, or has not said
    if (contents().asleep.load(std::memory_order_relaxed)) return -1;
    return contents().cpu.load(std::memory_order_relaxed) - 1;
  }
  void ring() const {  // after publishing something the peer may sleep for
    if (contents().asleep.load(std::memory_order_seq_cst)) wake();
  }

 private:
  const PageContents& contents() const { return *reinterpret_cast<const PageContents*>(memory_.contents()); }
  void wake() const;
  std::string probe() const;
  Status gone() const;

  struct Arena {
    uint64_t address = 0;
    SharedMemory memory;
  };

  int pid_ = 0;
  uint64_t proof_at_ = 0;  // in its memory
  SharedMemory memory_;
  UniqueFd bell_, pidfd_;
  std::string why_unreadable_;
  std::array<Arena, SharedHeap::kMostArenas> arenas_;
  std::atomic<size_t> arena_count_{0};
  bool unmappable_ = false;
};

}  // namespace dlslime::shm
