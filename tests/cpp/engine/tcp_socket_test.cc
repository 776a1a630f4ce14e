// What a socket is set to.
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <vector>

#include "engine/tcp/socket.h"

namespace dlslime::tcp {
namespace {

int send_buffer(int fd) {
  int bytes = 0;
  socklen_t size = sizeof bytes;
  EXPECT_EQ(getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, &size), 0);
  return bytes;
}

// What a sender that nobody reads from gets rid of.
size_t taken(int fd) {
  const std::vector<std::byte> chunk(64 << 10);
  size_t total = 0;
  for (ssize_t n; (n = ::send(fd, chunk.data(), chunk.size(), MSG_NOSIGNAL | MSG_DONTWAIT)) > 0;)
    total += size_t(n);
  return total;
}

TEST(TcpSocket, WithinAHostASenderDoesNotRunFarAhead) {
  SocketAddress any, bound;
  UniqueFd listener, near;
  ASSERT_TRUE(parse_host("127.0.0.1", &any).ok());
  ASSERT_TRUE(listen_on(any, &listener, &bound).ok());
  ASSERT_TRUE(begin_connect(bound, &near).ok());
  pollfd arrived{listener.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&arrived, 1, 10'000), 1);
  const UniqueFd far(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  ASSERT_TRUE(bool(far));
  tune_within_host(near.get());
  EXPECT_LE(send_buffer(near.get()), 2 * (256 << 10));  // the kernel doubles it
  EXPECT_LT(taken(near.get()), 2u << 20);
}

TEST(TcpSocket, WithoutAPeerNothingIsSet) {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int before = send_buffer(fd.get());
  tune_within_host(fd.get());
  EXPECT_EQ(send_buffer(fd.get()), before);
}

}  // namespace
}  // namespace dlslime::tcp
