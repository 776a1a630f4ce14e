// RingPipe: a byte stream each way through shared memory. Each side owns the ring it writes to.
//
// Threads:    under the token.
// Ownership:  owns both mappings; shares the peer.
// Errors:     state() turns kPeerDied when the peer's process ends, kLinkLost when it closes; bytes written before still arrive.
// Units:      bytes.
// Invariants: `tail` is written by the ring's writer only, `head` by its reader only; tail - head <= Ring::kBytes; nothing read
//             from the peer's words is trusted beyond that.
#pragma once
#include <atomic>
#include <memory>

#include "engine/byte_pipe.h"
#include "engine/shm/process_page.h"
#include "memory/shared_memory.h"

namespace dlslime::shm {

struct Ring {
  static constexpr size_t kBytes = 256 << 10;
  alignas(128) std::atomic<uint64_t> tail;
  alignas(128) std::atomic<uint64_t> head;
  alignas(128) std::atomic<uint32_t> closed;  // by the writer
  alignas(128) std::byte bytes[kBytes];
};

class RingPipe final : public BytePipe {
 public:
  RingPipe(std::shared_ptr<ShmPeer> peer, SharedMemory mine, SharedMemory theirs);
  ~RingPipe() override;
  // A ring that no pipe was made of: whoever opened it sees its end.
  static void abandon(const SharedMemory& offered);

  size_t write(std::span<const iovec> parts) override;
  size_t read(std::span<std::byte> into) override;
  const Status& state() const override { return state_; }
  // The peer's mapping keeps what was written, whatever becomes of us.
  bool drained() const override { return true; }
  void want_writable(bool) override {}  // rings are looked at in every pass

  bool look();  // true: there is something to read, room that was waited for, or an end
  void peer_died();

 private:
  void show(uint64_t* shown);  // to the peer, what has been written
  Ring& out() const { return *reinterpret_cast<Ring*>(mine_.contents()); }
  Ring& in() const { return *reinterpret_cast<Ring*>(theirs_.contents()); }

  std::shared_ptr<ShmPeer> peer_;
  SharedMemory mine_, theirs_;
  uint64_t tail_ = 0, head_ = 0;
  bool was_full_ = false;
  Status state_;
};

}  // namespace dlslime::shm
