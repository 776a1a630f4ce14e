#include "engine/tcp/socket_pipe.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "engine/tcp/socket.h"

namespace dlslime::tcp {

SocketPipe::SocketPipe(Reactor& reactor, Lingering& lingering, std::string peer)
    : reactor_(reactor), lingering_(lingering), peer_(std::move(peer)) {}

Status SocketPipe::attach(UniqueFd fd) {
  tune_within_host(fd.get());
  Status watched =
      reactor_.add(fd.get(), EPOLLIN, Reactor::Heat::kHot, [this](uint32_t events) { happened(events); });
  if (!watched.ok()) return watched;
  fd_ = std::move(fd);
  owner_->due();
  return {};
}

void SocketPipe::close() {
  if (!fd_) return;
  reactor_.remove(fd_.get());
  lingering_.farewell(std::move(fd_));
}

void SocketPipe::happened(uint32_t events) {
  if (events & EPOLLOUT) blocked_ = false;
  // An error or hang-up is found by reading, behind the last byte.
  if (events & ~uint32_t(EPOLLOUT)) readable_ = true;
  owner_->due();
}

void SocketPipe::arm(bool on) {
  if (!open() || armed_ == on) return;
  armed_ = on;
  reactor_.modify(fd_.get(), on ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void SocketPipe::want_writable(bool wanted) {
  wanted_ = wanted;
  if (!wanted) return arm(false);
  if (blocked_) return arm(true);
  if (open()) owner_->due();  // only this turn's share is used up
}

// ---- moving bytes ----

size_t SocketPipe::write(std::span<const iovec> parts) {
  if (!open() || blocked_ || budget_ == 0) return 0;
  size_t total = 0;
  for (const iovec& part : parts) total += part.iov_len;
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = parts.size();
  const ssize_t sent = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0) return write_failed(errno), 0;
  if (size_t(sent) < total) blocked_ = true;
  budget_ -= std::min(budget_, size_t(sent));
  return size_t(sent);
}

void SocketPipe::write_failed(int error) {
  if (error == EINTR) return;
  blocked_ = true;
  if (error == EAGAIN || error == ENOBUFS) return;
  write_error_ = error_text(error);
  readable_ = true;  // what arrived before the end still counts; then reading finds the end
  owner_->due();
}

size_t SocketPipe::read(std::span<std::byte> into) {
  if (!open() || !readable_ || into.empty()) return 0;
  const ssize_t got = ::recv(fd_.get(), into.data(), into.size(), MSG_DONTWAIT);
  if (got > 0) {
    readable_ = size_t(got) == into.size();
    return size_t(got);
  }
  const int error = got < 0 ? errno : 0;
  if (error == EINTR) return 0;
  if (error != EAGAIN) {
    end(error ? error_text(error) : write_error_.empty() ? "the peer closed the connection" : write_error_);
  }
  readable_ = false;
  return 0;
}

void SocketPipe::end(const std::string& how) {
  state_ = Status(Code::kLinkLost, "connection to " + peer_ + ": " + how);
  close();
  owner_->due();
}

bool SocketPipe::drained() const {
  if (!open()) return true;
  acknowledge_now(fd_.get());  // who parts is parted from: the other side waits for our word as we do for its
  return unacknowledged(fd_.get()) == 0;
}

void SocketPipe::check_path() {
  if (open() && unanswered(fd_.get(), kSilentMs)) {
    end("nothing sent has been answered for " + std::to_string(kSilentMs / 1000) + " s");
  }
}

}  // namespace dlslime::tcp
