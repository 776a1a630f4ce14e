#include "engine/shm/ring_pipe.h"

#include <algorithm>
#include <cstring>

namespace dlslime::shm {
namespace {

// What is written or read at once, so that both sides copy at the same time.
constexpr size_t kStep = 32 << 10;

// Two copies at most: up to the ring's end, and from its start.
void put(Ring& ring, uint64_t at, const std::byte* from, size_t size) {
  const size_t begin = at % Ring::kBytes;
  const size_t first = std::min(size, Ring::kBytes - begin);
  std::memcpy(ring.bytes + begin, from, first);
  std::memcpy(ring.bytes, from + first, size - first);
}

void take(const Ring& ring, uint64_t at, std::byte* to, size_t size) {
  const size_t begin = at % Ring::kBytes;
  const size_t first = std::min(size, Ring::kBytes - begin);
  std::memcpy(to, ring.bytes + begin, first);
  std::memcpy(to + first, ring.bytes, size - first);
}

}  // namespace

RingPipe::RingPipe(std::shared_ptr<ShmPeer> peer, SharedMemory mine, SharedMemory theirs)
    : peer_(std::move(peer)), mine_(std::move(mine)), theirs_(std::move(theirs)) {}

RingPipe::~RingPipe() {
  out().closed.store(1, std::memory_order_seq_cst);
  peer_->ring();
}

void RingPipe::abandon(const SharedMemory& offered) {
  reinterpret_cast<Ring*>(offered.contents())->closed.store(1, std::memory_order_seq_cst);
}

size_t RingPipe::write(std::span<const iovec> parts) {
  if (!state_.ok()) return 0;
  const uint64_t used = tail_ - out().head.load(std::memory_order_acquire);
  // A head beyond our tail is a lie: write nothing.
  size_t room = used <= Ring::kBytes ? Ring::kBytes - used : 0;
  size_t written = 0;
  uint64_t shown = tail_;
  for (const iovec& one : parts) {
    size_t copied = 0;
    for (const size_t all = std::min(room, one.iov_len); copied < all;) {
      const size_t n = std::min(all - copied, kStep);
      put(out(), tail_, static_cast<const std::byte*>(one.iov_base) + copied, n);
      tail_ += n;
      copied += n;
      if (tail_ - shown >= kStep) show(&shown);
    }
    written += copied;
    room -= copied;
    if (copied < one.iov_len) break;
  }
  was_full_ = room == 0;
  if (tail_ != shown) show(&shown);
  return written;
}

void RingPipe::show(uint64_t* shown) {
  out().tail.store(*shown = tail_, std::memory_order_seq_cst);
  peer_->ring();
}

size_t RingPipe::read(std::span<std::byte> into) {
  const uint64_t there = in().tail.load(std::memory_order_acquire) - head_;
  if (there == 0 || there > Ring::kBytes) return 0;
  const size_t n = std::min<size_t>(there, into.size());
  for (size_t taken = 0; taken < n;) {
    const size_t step = std::min(n - taken, kStep);
    take(in(), head_, into.data() + taken, step);
    taken += step;
    head_ += step;
    in().head.store(head_, std::memory_order_seq_cst);
  }
  // The writer may wait for room. If it found none, this pass or the next finds at least half of the ring in use.
  if (there >= Ring::kBytes / 2) peer_->ring();
  return n;
}

bool RingPipe::look() {
  if (in().tail.load(std::memory_order_acquire) != head_) return true;
  if (was_full_ && tail_ - out().head.load(std::memory_order_acquire) < Ring::kBytes) return true;
  if (state_.ok() && in().closed.load(std::memory_order_acquire)) {
    state_ = Status(Code::kLinkLost, "process " + std::to_string(peer_->pid()) + " closed the connection");
    return true;
  }
  return false;
}

void RingPipe::peer_died() {
  if (state_.ok()) state_ = Status(Code::kPeerDied, "process " + std::to_string(peer_->pid()) + " is gone");
}

}  // namespace dlslime::shm
