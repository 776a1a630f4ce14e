// SimEngine: the engine contract inside a SimWorld: stream endpoints over SimPipes, shared pages over plain
// memory. A world of several hosts has two at each rank: "sim" inside a host, "simnet", which shares nothing, to anybody.
//
// Threads:    one.
// Ownership:  belongs to its SimHost; its endpoints die before it.
// Errors:     reach() refuses a peer that is not of this world, or not of this host.
// Invariants: an endpoint is polled only when something rang for it, so that an idle peer costs nothing.
#pragma once
#include <vector>

#include "engine/engine.h"
#include "engine/sim/sim_pipe.h"
#include "engine/stream_endpoint.h"

namespace dlslime {

class SimEngine;

class SimEndpoint final : public StreamEndpoint, public SimPipe::Owner {
 public:
  SimEndpoint(SimEngine& engine, std::unique_ptr<SimPipe> pipe, RegionTable& regions,
              EndpointHandler& handler);
  ~SimEndpoint() override;

  bool post(std::span<const std::byte> head, std::span<const std::byte> body) override;
  void put(Segment& segment) override;
  void get(Segment& segment) override;
  void ring() override;

 private:
  friend class SimEngine;
  SimEngine& engine_;
  bool rung_ = false;
};

class SimEngine final : public Engine {
 public:
  enum class Range : uint8_t { kHost, kWorld };
  SimEngine(SimHost& host, Range range);

  std::string_view name() const override { return range_ == Range::kHost ? "sim" : "simnet"; }
  const Capabilities& capabilities() const override { return capabilities_; }
  std::string address() const override;
  Status reach(const PeerInfo& peer) override;
  Status offer(const PeerInfo&, uint64_t, std::string*) override { return {}; }
  std::unique_ptr<Endpoint> connect(const PeerInfo& peer, uint64_t link, std::string_view offer,
                                    EndpointHandler& handler) override;
  Status share(const SharedPages::Layout& layout, std::unique_ptr<SharedPages>* out) override;
  bool reads_private(const PeerInfo& peer) override;
  bool poll() override;

 private:
  friend class SimEndpoint;
  int rank_of(const PeerInfo& peer) const;  // -1: not of this world
  void remove(SimEndpoint& endpoint);

  SimHost& host_;
  const Range range_;
  Capabilities capabilities_;
  std::vector<SimEndpoint*> rung_, polling_;  // null: gone meanwhile
};

}  // namespace dlslime
