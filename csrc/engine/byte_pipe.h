// BytePipe: an ordered, reliable stream of bytes to one peer and back; what a socket, a shared-memory ring and the simulator's
// wire have in common. StreamEndpoint makes an Endpoint of it.
//
// Threads:    under the token.
// Errors:     read() and write() never throw; a broken pipe says so in state() and moves nothing more.
// Units:      bytes.
#pragma once
#include <sys/uio.h>

#include <cstddef>
#include <span>

#include "base/status.h"

namespace dlslime {

class BytePipe {
 public:
  virtual ~BytePipe() = default;
  // How many bytes were taken; 0: full (or broken), poll again after the pipe became writable.
  virtual size_t write(std::span<const iovec> parts) = 0;
  virtual size_t read(std::span<std::byte> into) = 0;  // 0: nothing there now
  virtual const Status& state() const = 0;
  virtual bool drained() const = 0;  // what was written has reached the peer's side
  // The owner has something left to write: ask to be polled when there is room.
  virtual void want_writable(bool wanted) = 0;
};

}  // namespace dlslime
