// Messenger: routes what endpoints bring to the channels of the groups. One per Runtime.
//
// Threads:    under the token, destruction too.
// Ownership:  channels and endpoints register themselves and leave before they die.
// Errors:     a message for a context that is not (or no longer) here is dropped: its group is gone.
// Invariants: what was posted goes out though no operation waits for it: a send that is done may still lie in a full pipe.
#pragma once
#include <memory>
#include <unordered_map>
#include <vector>

#include "engine/engine.h"

namespace dlslime {

class Channel;
class RecvRequest;

class Messenger final : public EndpointHandler, public Scope {
 public:
  Messenger(Executor& executor, RegionTable& regions);
  ~Messenger() override;
  RegionTable& regions() { return regions_; }

  void message(Endpoint& from, std::span<const std::byte> bytes) override;
  void landed(Endpoint& from, uint64_t notify) override;
  void writable(Endpoint& endpoint) override;
  void down(Endpoint& endpoint, const Status& why) override;

  // Sends at once, or when the endpoint has room again; order is kept.
  void transmit(Endpoint& to, std::span<const std::byte> head, std::span<const std::byte> body);
  bool flushed(const Endpoint& endpoint) const;
  void forget(const Endpoint& endpoint);

  // A group is being made: peers that are ahead may speak already; what they say is kept until release().
  void expect(uint64_t context) { held_[context]; }
  void add(uint64_t context, Channel& channel);
  void release(uint64_t context);  // delivers what was kept, once the channel's owner is ready
  void remove(uint64_t context) {
    channels_.erase(context);
    held_.erase(context);
  }

  // A notify number, which landed() will bring back: over that endpoint, for the numbers are no secret.
  uint64_t expect(RecvRequest& request, const Endpoint& from);
  void forget_notify(uint64_t notify) { expected_.erase(notify); }

 private:
  class Outflow;  // the operation that lasts while something waits to be written
  void see_out(Endpoint& endpoint);
  bool all_written();

  Executor& executor_;
  RegionTable& regions_;
  struct Held {
    Endpoint* from;
    std::vector<std::byte> bytes;
  };
  std::unordered_map<uint64_t, Channel*> channels_;
  std::unordered_map<uint64_t, std::vector<Held>> held_;
  struct Expected {
    RecvRequest* request;
    const Endpoint* from;
  };
  std::unordered_map<uint64_t, Expected> expected_;
  std::unordered_map<const Endpoint*, std::vector<std::vector<std::byte>>> backlog_;
  std::vector<Endpoint*> unwritten_;
  std::unique_ptr<Outflow> outflow_;
  uint64_t next_notify_ = 1;
};

}  // namespace dlslime
