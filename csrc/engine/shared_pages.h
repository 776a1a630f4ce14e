// SharedPages: memory that a group's ranks on one host all see. Each rank has lines (a word and a little payload) and a data area;
// it writes only its own and reads everybody's.
//
// Threads:    publish() and is_mapped() under the token; read(), payload(), data(), mapped() and read_private() from any.
// Ownership:  unmapped when destroyed; a peer's death leaves the mapping intact.
// Errors:     attach(), mapped() and read_private() answer a Status.
// Units:      bytes; a line is 128 bytes.
// Invariants: single writer per word, values only grow. What the writer stored before publish(line, v) is seen by whoever reads
//             v or more from that line. Who reads a peer's own memory (mapped(), read_private()) and then a word, with a full fence
//             between, sees that word no older. Nothing else is ordered: a task waits for published words only.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "engine/peer_info.h"

namespace dlslime {

class SharedPages {
 public:
  struct alignas(128) Line {
    std::atomic<uint64_t> word;
    std::byte payload[120];
  };
  static_assert(sizeof(Line) == 128);

  struct Layout {
    int rank = 0;
    int size = 1;
    size_t lines = 0;
    size_t data_bytes = 0;  // per rank
  };

  virtual ~SharedPages() = default;

  int rank() const { return layout_.rank; }
  int size() const { return layout_.size; }
  const Layout& layout() const { return layout_; }

  // Creation is two steps: everybody publishes offer(), everybody attaches to all others.
  virtual std::string offer() const = 0;
  virtual Status attach(int rank, const PeerInfo& peer, std::string_view offer) = 0;

  uint64_t read(int owner, size_t line) const {
    return words_[owner][line].word.load(std::memory_order_acquire);
  }
  virtual void publish(size_t line, uint64_t value) = 0;
  std::span<std::byte> payload(int owner, size_t line) const { return lines_[owner][line].payload; }
  std::span<std::byte> data(int owner) const { return {data_[owner], layout_.data_bytes}; }

  // This rank's data area from `from` on: a slice of it, some 20 us of work, need not keep what it holds, takes no memory until it is
  // written again, and reads as anything. Answers where the next slice begins; the end of the area after the last. Under the token.
  virtual size_t give_back(size_t from) = 0;

  // Whether `mine` lies where the other ranks have mapped it, and this rank has mapped all that they have told of such memory. What is
  // new is told by this call, so that it counts from the next one on: who has completed an operation together with this rank since
  // then has had the chance to map it, or answers no.
  virtual bool is_mapped(std::span<const std::byte> mine) = 0;
  // Where this process sees a peer's memory, at an address which the peer published after is_mapped() said yes to it.
  virtual Status mapped(int owner, uint64_t address, size_t bytes, const std::byte** at) const = 0;

  // Reads a peer's private memory in one copy, at an address which it published. Only where can_read_private().
  virtual bool can_read_private() const = 0;
  virtual Status read_private(int owner, uint64_t address, std::span<std::byte> into) const = 0;

 protected:
  explicit SharedPages(const Layout& layout)
      : layout_(layout), words_(layout.size), lines_(layout.size), data_(layout.size) {}

  Layout layout_;
  std::vector<Line*> words_;  // where this process reads each owner's words
  std::vector<Line*> lines_;  // where the payload lies
  std::vector<std::byte*> data_;
};

}  // namespace dlslime
