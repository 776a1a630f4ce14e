// Stranger: a bare socket that calls an engine's listener, or answers its calls, and says whatever a test
// wants.
#pragma once
#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "engine/tcp/handshake.h"
#include "engine/tcp/socket.h"
#include "engine/tcp_rig.h"

namespace dlslime::test {

class Stranger {
 public:
  explicit Stranger(const std::string& address) {
    tcp::SocketAddress at;
    EXPECT_TRUE(tcp::parse_address(address, &at).ok());
    fd_ = UniqueFd(::socket(at.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(fd_.get(), at.raw(), at.size), 0);
  }
  explicit Stranger(UniqueFd fd) : fd_(std::move(fd)) {}

  void say(std::span<const std::byte> bytes) {
    (void)!::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  // As much as there is room for.
  size_t push(std::span<const std::byte> bytes) {
    return size_t(
        std::max<ssize_t>(0, ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT)));
  }
  template <class T>
  void say(const T& pod) {
    say(std::as_bytes(std::span(&pod, 1)));
  }
  // Drives `sides` until so many bytes have come; false: the connection ended before.
  template <class T>
  bool hear(std::initializer_list<Side*> sides, T* pod) {
    const auto into = std::as_writable_bytes(std::span(pod, 1));
    size_t have = 0;
    bool ended = false;
    EXPECT_TRUE(pump(sides, [&] {
      const ssize_t got = ::recv(fd_.get(), into.data() + have, into.size() - have, MSG_DONTWAIT);
      if (got > 0) have += size_t(got);
      ended = got == 0 || (got < 0 && errno != EAGAIN);
      return ended || have == into.size();
    }));
    return have == into.size();
  }
  bool hung_up(std::initializer_list<Side*> sides) {
    std::byte one;
    return !hear(sides, &one);
  }
  bool shake_hands(const PeerInfo& as, Side& with) {
    tcp::Initiator handshake(as, with.self, 0);
    return pump({&with}, [&] {
      EXPECT_TRUE(tcp::exchange(fd_.get(), handshake));
      return handshake.state() == tcp::Handshake::State::kDone;
    });
  }
  void reset() {
    const linger now{1, 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    fd_.reset();
  }
  void close() { fd_.reset(); }

 private:
  UniqueFd fd_;
};

// A listener of nobody's: an address where something else answers, or (after its end) nothing.
struct Lair {
  UniqueFd fd;
  std::string address;
  Lair() {
    tcp::SocketAddress at, bound;
    EXPECT_TRUE(tcp::parse_host("127.0.0.1", &at).ok());
    EXPECT_TRUE(tcp::listen_on(at, &fd, &bound).ok());
    address = bound.to_string();
  }
  Stranger accept(Side& caller) {
    UniqueFd got;
    EXPECT_TRUE(pump({&caller}, [&] {
      got.reset(::accept(fd.get(), nullptr, nullptr));
      return bool(got);
    }));
    return Stranger(std::move(got));
  }
};

}  // namespace dlslime::test
