// SharedMemory: an anonymous file (memfd) mapped here and by peers, which open it through /proc/<pid>/fd. No name, no file left
// behind, not counted against /dev/shm.
//
// Threads:    none of its own.
// Ownership:  unmaps and closes; a peer's mapping outlives the creator.
// Errors:     create() and open() answer a Status that says which call failed and why.
// Units:      bytes.
// Invariants: the first bytes of every mapping are a nonce, so that a descriptor number read too late is noticed. Core dumps leave the
//             mappings out: writing one would fill their holes.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/fd.h"
#include "base/status.h"

namespace dlslime {

using Nonce = std::array<uint8_t, 32>;

class SharedMemory {
 public:
  SharedMemory() = default;
  SharedMemory(SharedMemory&& other) noexcept;
  SharedMemory& operator=(SharedMemory&& other) noexcept;
  ~SharedMemory();

  static constexpr size_t kHead = 128;  // the nonce's line; contents start behind it
  static constexpr size_t kOfferBytes = 48;

  static Status create(const char* label, size_t bytes, SharedMemory* out);
  // What a peer needs to open it.
  std::string offer() const;
  enum class Access { kRead, kReadWrite };
  static Status open(int pid, std::string_view offer, size_t bytes, SharedMemory* out,
                     Access access = Access::kReadWrite);

  explicit operator bool() const { return at_ != nullptr; }
  std::byte* contents() const { return at_ + kHead; }
  std::span<std::byte> mapping() const { return {at_, mapped_}; }  // head and contents
  // The creator only: whole pages from `from` on, of the contents, `bytes` of them and perhaps a page more or less, take no memory until
  // somebody writes there again. Answers up to where; `from` where that is no whole page.
  size_t give_back(size_t from, size_t bytes) const;
  const Nonce& nonce() const { return *reinterpret_cast<const Nonce*>(at_); }

 private:
  Status map(int fd, size_t bytes, Access access);
  std::byte* at_ = nullptr;
  size_t mapped_ = 0;
  UniqueFd fd_;  // kept by the creator, for peers to open
};

}  // namespace dlslime
