// The engine contract: a way to move bytes. One folder and one registration per engine; no engine's name appears above.
//
// Threads:    everything under the executor's token, except address() and SharedPages::read_private.
// Ownership:  an Endpoint belongs to who connected it; a Segment to who posted it, until completed() or cancel().
// Errors:     reach() says why not: kElsewhere where the engine is not meant for such a peer, anything else where something is in
//             the way. An endpoint that fails calls down() once and completes every segment with the same Status.
//             Nothing blocks. connect() and share() may throw std::system_error or std::bad_alloc where the system has nothing
//             left; nothing else throws.
// Units:      bytes.
// Order:      reach(peer), then offer(peer, link) on both sides, then connect(peer, link, the other's offer) on both, or
//             withdraw(peer, link). `link`: a number on which both sides agree, another one for every connection between them:
//             two may be in the making at once.
// Invariants: messages of one endpoint arrive whole, once, in order. A segment's completion means: put - the bytes have landed
//             in the peer's memory (or, asked for `buffered`, its own memory is free again); get - they are here. completed()
//             is never called from inside put(), get() or post().
//             After cancel() returns, the engine touches the segment and its local memory no more.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/executor.h"
#include "base/list.h"
#include "engine/peer_info.h"
#include "engine/shared_pages.h"
#include "memory/region.h"

namespace dlslime {

struct Capabilities {
  size_t max_message = 0;  // bytes in one message
  bool shared_pages = false;
};

class Segment : public Hook<Segment> {
 public:
  virtual ~Segment() = default;
  virtual void completed(Status status) = 0;

  std::span<std::byte> local;
  RemoteRegion remote;
  uint64_t offset = 0;  // in the remote region
  uint64_t notify = 0;  // put only: handed to the peer's landed() after the last byte; 0 = none
  // Put only: complete as soon as `local` may be written again; a later failure is the peer's to tell.
  bool buffered = false;

 private:
  friend class StreamEndpoint;
  uint64_t request_ = 0;
  size_t moved_ = 0;
};

class Endpoint;

// Who receives what endpoints bring. Under the token.
class EndpointHandler {
 public:
  virtual ~EndpointHandler() = default;
  virtual void message(Endpoint& from, std::span<const std::byte> bytes) = 0;  // valid during the call
  virtual void landed(Endpoint& from, uint64_t notify) = 0;
  virtual void writable(Endpoint& endpoint) = 0;  // post() has refused before and may succeed now
  virtual void down(Endpoint& endpoint, const Status& why) = 0;
};

class Endpoint {
 public:
  virtual ~Endpoint() = default;
  // Large payloads, by direction; set by the engine when it connects, the same on both sides. True: the receiver gets (one copy,
  // from a grant of the sender's); false: the sender puts.
  bool fetches = false;       // what this side receives
  bool peer_fetches = false;  // what the peer receives
  // What is longer is put whatever the above say: where the sender and the receiver can copy at the same time, that takes less time.
  // The same on both sides, too.
  size_t most_fetched = SIZE_MAX;
  bool fetches_message(size_t bytes) const { return fetches && bytes <= most_fetched; }
  bool peer_fetches_message(size_t bytes) const { return peer_fetches && bytes <= most_fetched; }
  // For people, set when it connects: what keeps the engine from its best way to this peer, and what that costs; empty: nothing.
  std::string hampered;
  // One message made of two parts; false: no room now, writable() will follow.
  virtual bool post(std::span<const std::byte> head, std::span<const std::byte> body) = 0;
  virtual void put(Segment& segment) = 0;
  virtual void get(Segment& segment) = 0;
  virtual void cancel(Segment& segment) = 0;
  // Nothing that was posted waits here to be moved: the rest is the system's business, or the peer's.
  virtual bool written() const = 0;
  // The peer has been told everything that was posted (true: nothing is on its way out).
  virtual bool flushed() const = 0;
  virtual const Status& state() const = 0;  // ok, or why it is down
  virtual std::string_view engine() const = 0;
};

class Engine : public Poller {
 public:
  virtual std::string_view name() const = 0;
  virtual const Capabilities& capabilities() const = 0;
  virtual std::string address() const = 0;         // this process's blob in its PeerInfo
  virtual Status reach(const PeerInfo& peer) = 0;  // ok, or the reason why not
  // What that one peer needs in order to connect; or why this side can't, though it reaches the peer.
  virtual Status offer(const PeerInfo& peer, uint64_t link, std::string* out) = 0;
  // The offer was not needed: forget what was made for it.
  virtual void withdraw(const PeerInfo&, uint64_t) {}
  virtual std::unique_ptr<Endpoint> connect(const PeerInfo& peer, uint64_t link, std::string_view offer,
                                            EndpointHandler& handler) = 0;
  // Only with capabilities().shared_pages.
  virtual Status share(const SharedPages::Layout& layout, std::unique_ptr<SharedPages>* out) = 0;
  // Whether pages shared with that peer, which it reaches, will let this process read its private memory.
  virtual bool reads_private(const PeerInfo&) { return false; }
};

}  // namespace dlslime
