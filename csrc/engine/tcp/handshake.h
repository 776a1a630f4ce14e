// Handshake: two processes that know each other's PeerInfo prove it to each other. Bytes in, bytes out.
//
//   initiator                                 acceptor
//   Hello: versions, ids, link, nonce, proof -->                   proof: keyed with the acceptor's secret (it is in the store)
//                                        <--  Reply: verdict, nonce, proof
//   Confirm: proof                       -->                       both: keyed with the pair's key, over Hello and nonces
//
//   Hello's proof keeps strangers out before the acceptor knows who calls: it may have to wait until its own process connects to
//   the caller and so learns the caller's secret ("parked").
//
//   side       state        what holds                   moved on by
//   ---------  -----------  ---------------------------  ------------------------------------------------------
//   initiator  kReading     Hello is in out()            a good Reply: kDone, Confirm in out(); else kFailed
//   acceptor   kReading     nothing but bytes so far     a good Hello: kParked; another version: told so, kFailed
//   acceptor   kParked      a reader of the store calls  admit(): Reply in out(), kConfirming
//   acceptor   kConfirming  the caller knows our secret  a good Confirm: kDone; else kFailed
//   both       kDone        the peer is who it says      -
//   both       kFailed      failure() says why           -
//
// Threads:    none of its own.
// Errors:     failure(): kMismatch (wire versions), kPeerDied (another process has that address now), kDenied (wrong proof),
//             kInvalid (not our protocol).
// Invariants: asks for exactly the bytes of the next message, so nothing of what follows is swallowed; every field is checked
//             before use; proofs are compared in constant time.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/status.h"
#include "engine/peer_info.h"

namespace dlslime::tcp {

using Mac = std::array<uint8_t, 32>;
using Nonce = std::array<uint8_t, 16>;
using Id = std::array<char, 32>;

enum class Verdict : uint32_t { kNone = 0, kWelcome = 1, kOtherVersion = 2, kNotMe = 3 };

struct Prefix {  // never changes its layout: versions tell each other apart by it
  uint64_t magic;
  uint32_t version;
  Verdict verdict;
};
struct Hello {
  Prefix prefix;
  Id initiator, target;
  uint64_t link;  // which of the connections between the two
  Nonce nonce;
  Mac proof;
};
struct Reply {
  Prefix prefix;
  Nonce nonce;
  Mac proof;
};
struct Confirm {
  Mac proof;
};
static_assert(sizeof(Hello) == 136 && sizeof(Reply) == 64 && sizeof(Confirm) == 32);

inline constexpr uint64_t kHelloMagic = 0x6f6c6c6568534c44;  // "DLShello"
inline constexpr uint64_t kReplyMagic = 0x796c706572534c44;  // "DLSreply"

bool usable(const PeerInfo& info);  // id and secret have the sizes they must have

class Handshake {
 public:
  enum class State : uint8_t { kReading, kParked, kConfirming, kDone, kFailed };

  State state() const { return state_; }
  const Status& failure() const { return failure_; }
  std::span<std::byte> wanted() { return std::span(in_).subspan(have_, want_ - have_); }
  void took(size_t bytes);  // so many bytes were put into wanted()
  std::span<const std::byte> out() const { return std::span(out_).first(out_size_); }
  void sent() { out_size_ = 0; }

 protected:
  virtual ~Handshake() = default;
  virtual void arrived() = 0;  // all wanted bytes are in in_

  void want(size_t total) { want_ = total; }
  void restart(size_t total) { have_ = 0, want_ = total; }
  void say(const void* bytes, size_t size);
  void fail(Code code, std::string what);
  template <class T>
  T received() const;

  State state_ = State::kReading;
  Hello hello_{};
  Reply reply_{};

 private:
  Status failure_;
  std::array<std::byte, sizeof(Hello)> in_{}, out_{};
  size_t have_ = 0, want_ = sizeof(Prefix), out_size_ = 0;
};

// Moves the handshake's bytes through a non-blocking socket. False: the connection is gone.
bool exchange(int fd, Handshake& handshake);

class Initiator final : public Handshake {
 public:
  Initiator(const PeerInfo& self, const PeerInfo& peer, uint64_t link);

 private:
  void arrived() override;
  void judge(const Prefix& prefix);
  Mac key_;
};

class Acceptor final : public Handshake {
 public:
  explicit Acceptor(const PeerInfo& self) : self_(self) {}
  std::string initiator() const {
    return {hello_.initiator.data(), hello_.initiator.size()};
  }  // once kParked
  uint64_t link() const { return hello_.link; }  // once kParked
  void admit(const PeerInfo& peer);

 private:
  void arrived() override;
  void read_prefix();
  void read_hello();
  void refuse(Verdict verdict, Code code, std::string what);

  const PeerInfo& self_;
  Mac key_{};
};

}  // namespace dlslime::tcp
