// ShmEndpoint: messages and puts through rings; gets straight out of the peer's memory where the system allows it (one copy).
//
// Threads:    under the token.
// Ownership:  registered with its engine and, for the peer's death, with the reactor; leaves both when destroyed.
// Invariants: a direct get counts only if the region still lived after its last byte was read: the sender may have taken its buffer
//             back in the middle. The bounds of the grant are kept here, on the initiator (design: regions).
#pragma once
#include "base/list.h"
#include "base/reactor.h"
#include "engine/shm/ring_pipe.h"
#include "engine/stream_endpoint.h"

namespace dlslime::shm {

struct EndpointTag {};

class ShmEndpoint final : public StreamEndpoint, public Hook<EndpointTag> {
 public:
  ShmEndpoint(std::shared_ptr<ShmPeer> peer, std::unique_ptr<RingPipe> pipe, Reactor& reactor,
              RegionTable& regions, EndpointHandler& handler);
  ~ShmEndpoint() override;

  void get(Segment& segment) override;
  void cancel(Segment& segment) override;
  bool advance();  // the engine's pass

 private:
  Status allowed(const Segment& segment) const;
  bool read_slice();
  void finish(Segment& segment, Status status);

  std::shared_ptr<ShmPeer> peer_;
  RingPipe& ring_;
  Reactor& reactor_;
  UniqueFd death_;  // its own pidfd: epoll knows a descriptor once
  bool dead_ = false;
  List<Segment, Segment> gets_;
  size_t read_ = 0;  // bytes of the first get
};

}  // namespace dlslime::shm
