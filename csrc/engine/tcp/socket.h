// Sockets: the few system calls that this engine makes to set one up. None of them blocks or looks up a name.
//
// Threads:    any.
// Errors:     a Status that names the address concerned.
// Invariants: every socket is non-blocking and closed on exec.
#pragma once
#include <sys/socket.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/status.h"

namespace dlslime::tcp {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  sockaddr* raw() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&storage); }
  bool loopback() const;
  bool wildcard() const;
  std::string host() const;       // "10.0.0.1", "fe80::1%eth0"
  std::string to_string() const;  // "10.0.0.1:4000", "[::1]:4000"
};

// Numeric addresses only: a name would mean a lookup, which blocks.
Status parse_host(std::string_view host, SocketAddress* out);     // "10.0.0.1"; port 0
Status parse_address(std::string_view blob, SocketAddress* out);  // "10.0.0.1:4000", "[::1]:4000"

Status listen_on(const SocketAddress& address, UniqueFd* fd, SocketAddress* bound);
Status begin_connect(const SocketAddress& address, UniqueFd* fd);  // ends with EPOLLOUT
int take_error(int fd);                                            // an errno that happened meanwhile, or 0
void tune(int fd);                                                 // for a connection that carries data
// Both ends are on this host. A short send buffer then: what is on its way is in the cache still when the peer copies it out.
void tune_within_host(int fd);

// For handshakes: what fits into an empty socket buffer. False: it did not, or the connection is gone.
bool send_whole(int fd, std::span<const std::byte> bytes);
size_t unacknowledged(int fd);  // bytes written that the peer's side has not confirmed
// What has been read; else the kernel waits up to 40 ms for an answer to ride on.
void acknowledge_now(int fd);

// The path to the peer is cut: what was sent has gone unanswered for `limit_ms`. A peer that is merely slow
// to read answers probes, and is not cut off. (TCP_USER_TIMEOUT does not tell the two apart.)
bool unanswered(int fd, unsigned limit_ms);

std::string error_text(int error);

}  // namespace dlslime::tcp
