// SocketPipe: a BytePipe over a non-blocking socket. Until a socket is attached it is full and has nothing to
// read.
//
// Threads:    under the token.
// Ownership:  owns its socket, which joins the reactor while it is open.
// Errors:     state(): kLinkLost, and whether the peer closed, reset or stopped answering; only after all
// bytes before the
//             end have been read.
// Units:      bytes.
// Invariants: after a short read or write no system call until epoll has spoken; at most kTurn bytes are
// written in a turn.
//
//   readable_   there may be input: set by epoll, cleared by a short read
//   blocked_    the socket is full: set by a short write, cleared by epoll
//   wanted_     the writer has something left
//   armed_      epoll watches for room; only while blocked_ && wanted_, so that idle sockets never wake
//   anybody
#pragma once
#include <string>

#include "base/fd.h"
#include "base/reactor.h"
#include "engine/byte_pipe.h"
#include "engine/tcp/lingering.h"

namespace dlslime::tcp {

class SocketPipe final : public BytePipe {
 public:
  class Owner {
   public:
    virtual void due() = 0;  // poll me: something can move, or the pipe broke

   protected:
    ~Owner() = default;
  };

  SocketPipe(Reactor& reactor, Lingering& lingering, std::string peer);
  ~SocketPipe() override { close(); }
  void belongs_to(Owner& owner) { owner_ = &owner; }

  Status attach(UniqueFd fd);
  void close();       // without losing what was written
  void check_path();  // now and then: is anybody still answering?
  void begin_turn() { budget_ = kTurn; }
  bool ready() const { return open() && (readable_ || (wanted_ && !blocked_)); }

  size_t write(std::span<const iovec> parts) override;
  size_t read(std::span<std::byte> into) override;
  const Status& state() const override { return state_; }
  bool drained() const override;
  void want_writable(bool wanted) override;

 private:
  static constexpr size_t kTurn = 256 << 10;  // nobody holds the token much longer than 20 us
  static constexpr unsigned kSilentMs = 10'000;

  bool open() const { return bool(fd_) && state_.ok(); }
  void arm(bool on);
  void happened(uint32_t events);
  void write_failed(int error);
  void end(const std::string& how);

  Reactor& reactor_;
  Lingering& lingering_;
  const std::string peer_;
  Owner* owner_ = nullptr;
  UniqueFd fd_;
  Status state_;
  std::string write_error_;
  bool readable_ = false, blocked_ = false, wanted_ = false, armed_ = false;
  size_t budget_ = kTurn;
};

}  // namespace dlslime::tcp
