// LinkOwner: who is told what became of the attempt to reach a peer, by the dialer or the listener.
//
// Threads: under the token.
#pragma once
#include "base/fd.h"
#include "base/status.h"

namespace dlslime::tcp {

class LinkOwner {
 public:
  // Authenticated; the first byte of the stream is the next to be read.
  virtual void connected(UniqueFd fd) = 0;
  virtual void unreachable(Status why) = 0;

 protected:
  ~LinkOwner() = default;
};

}  // namespace dlslime::tcp
