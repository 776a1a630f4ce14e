#include "engine/tcp/socket.h"

#include <linux/sockios.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace dlslime::tcp {
namespace {

// An idle connection is found dead after kIdleSeconds + kProbes seconds.
constexpr int kIdleSeconds = 5;
constexpr int kProbes = 5;
constexpr int kBacklog = 4096;  // the kernel caps it at somaxconn
// Bytes, doubled by the kernel (or what its wmem_max allows): what a turn moves twice over, and a few such connections still fit
// into a core's cache. Half of it is as good for 64 MiB and worse for 1 MiB, twice as much gains little.
constexpr int kWithinHost = 256 << 10;

Status resolve_numeric(const std::string& host, const std::string& port, SocketAddress* out) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (host.empty() || getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) {
    return {Code::kInvalid, "'" + host + "' (port " + port + ") is no numeric network address"};
  }
  *out = SocketAddress{};
  std::memcpy(&out->storage, found->ai_addr, found->ai_addrlen);
  out->size = found->ai_addrlen;
  freeaddrinfo(found);
  return {};
}

UniqueFd new_socket(int family) {
  return UniqueFd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

void set(int fd, int level, int option, int value) {
  (void)setsockopt(fd, level, option, &value, sizeof value);
}

const sockaddr_in& v4(const sockaddr_storage& storage) {
  return reinterpret_cast<const sockaddr_in&>(storage);
}
const sockaddr_in6& v6(const sockaddr_storage& storage) {
  return reinterpret_cast<const sockaddr_in6&>(storage);
}

}  // namespace

std::string error_text(int error) { return std::generic_category().message(error); }

bool SocketAddress::loopback() const {
  if (storage.ss_family == AF_INET) return (ntohl(v4(storage).sin_addr.s_addr) >> 24) == 127;
  return IN6_IS_ADDR_LOOPBACK(&v6(storage).sin6_addr);
}

bool SocketAddress::wildcard() const {
  if (storage.ss_family == AF_INET) return v4(storage).sin_addr.s_addr == INADDR_ANY;
  return IN6_IS_ADDR_UNSPECIFIED(&v6(storage).sin6_addr);
}

std::string SocketAddress::host() const {
  char text[NI_MAXHOST] = "?";
  getnameinfo(raw(), size, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
  return text;
}

std::string SocketAddress::to_string() const {
  const bool six = storage.ss_family == AF_INET6;
  const int port = ntohs(six ? v6(storage).sin6_port : v4(storage).sin_port);
  return (six ? "[" + host() + "]" : host()) + ":" + std::to_string(port);
}

Status parse_host(std::string_view host, SocketAddress* out) {
  return resolve_numeric(std::string(host), "0", out);
}

Status parse_address(std::string_view blob, SocketAddress* out) {
  const size_t colon = blob.rfind(':');
  if (colon == std::string_view::npos) return {Code::kInvalid, "'" + std::string(blob) + "' has no port"};
  std::string_view host = blob.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return resolve_numeric(std::string(host), std::string(blob.substr(colon + 1)), out);
}

Status listen_on(const SocketAddress& address, UniqueFd* fd, SocketAddress* bound) {
  const auto failed = [&](const char* what) {
    return Status(Code::kUnavailable, std::string(what) + " " + address.host() + ": " + error_text(errno));
  };
  *fd = new_socket(address.storage.ss_family);
  if (!*fd) return failed("no socket for");
  if (::bind(fd->get(), address.raw(), address.size) != 0) return failed("can't bind");
  if (::listen(fd->get(), kBacklog) != 0) return failed("can't listen on");
  bound->size = sizeof bound->storage;
  if (::getsockname(fd->get(), bound->raw(), &bound->size) != 0) return failed("no name for the listener on");
  return {};
}

Status begin_connect(const SocketAddress& address, UniqueFd* fd) {
  *fd = new_socket(address.storage.ss_family);
  if (*fd) tune(fd->get());
  if (*fd && (::connect(fd->get(), address.raw(), address.size) == 0 || errno == EINPROGRESS)) return {};
  const int error = errno;
  fd->reset();
  return {error == ECONNREFUSED ? Code::kPeerDied : Code::kLinkLost, error_text(error)};
}

int take_error(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

// Buffer sizes are left to the kernel's autotuning: a fixed size would switch it off, and is either too small
// for a 100 GbE path or too large for a thousand idle peers. But see tune_within_host().
void tune(int fd) {
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, kIdleSeconds);
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 1);
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, kProbes);
}

// There is no path to fill on one host; left alone, a sender runs megabytes ahead of the reader, through memory both times.
void tune_within_host(int fd) {
  SocketAddress mine, theirs;
  mine.size = theirs.size = sizeof mine.storage;
  if (::getsockname(fd, mine.raw(), &mine.size) != 0) return;
  if (::getpeername(fd, theirs.raw(), &theirs.size) != 0) return;
  if (!mine.loopback() && mine.host() != theirs.host()) return;
  set(fd, SOL_SOCKET, SO_SNDBUF, kWithinHost);
}

bool send_whole(int fd, std::span<const std::byte> bytes) {
  return ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) == ssize_t(bytes.size());
}

size_t unacknowledged(int fd) {
  int bytes = 0;
  return ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? size_t(bytes) : 0;
}

void acknowledge_now(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

bool unanswered(int fd, unsigned limit_ms) {
  constexpr unsigned kTries = 3;  // fewer: the sender itself has not been running
  tcp_info info{};
  socklen_t size = sizeof info;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return false;
  const bool trying = info.tcpi_retransmits >= kTries || info.tcpi_probes >= kTries;
  return trying && info.tcpi_last_ack_recv >= limit_ms;
}

}  // namespace dlslime::tcp
