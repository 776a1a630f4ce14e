#include "engine/tcp/lingering.h"

#include <sys/socket.h>

#include <utility>

#include "engine/tcp/socket.h"

namespace dlslime::tcp {
namespace {

// Closing a socket with unread input sends a reset instead of what is left to send.
void discard_input(int fd) {
  constexpr size_t kChunk = 1 << 20;
  for (int i = 0; i < 8; ++i) {
    if (::recv(fd, nullptr, kChunk, MSG_TRUNC | MSG_DONTWAIT) <= 0) return;
  }
}

}  // namespace

Lingering::~Lingering() {
  for (const Leaving& leaving : sockets_) discard_input(leaving.fd.get());
}

void Lingering::farewell(UniqueFd fd) {
  discard_input(fd.get());
  const bool delivered = unacknowledged(fd.get()) == 0;
  ::shutdown(fd.get(), SHUT_WR);
  if (delivered) return;
  if (sockets_.size() == kMost) sockets_.pop_front();
  sockets_.push_back({std::move(fd), deadline_after(clock_, kPatience)});
}

void Lingering::tick(Nanos now) {
  std::erase_if(sockets_, [now](const Leaving& leaving) {
    discard_input(leaving.fd.get());
    return now >= leaving.until || unacknowledged(leaving.fd.get()) == 0;
  });
}

}  // namespace dlslime::tcp
