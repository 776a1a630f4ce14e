// Services: what every engine is given by whoever makes it (torch_ext's Process, a test's host).
//
// Threads:    a bundle of references; what may be called when is said by each of them.
// Ownership:  all of it belongs to who makes the engine and outlives the engine and its endpoints.
#pragma once
#include "base/clock.h"
#include "base/executor.h"
#include "base/reactor.h"
#include "engine/peer_info.h"
#include "memory/region.h"
#include "memory/shared_heap.h"

namespace dlslime {

struct Services {
  const Clock& clock;
  Executor& executor;
  Reactor& reactor;
  RegionTable& regions;
  const SharedHeap& heap;
  const PeerInfo& self;  // id and secret are set; addresses are filled in after the engines exist
};

}  // namespace dlslime
