#include "engine/sim/sim_engine.h"

#include <algorithm>
#include <charconv>

#include "engine/sim/sim_host.h"
#include "engine/sim/sim_pages.h"
#include "engine/sim/sim_world.h"

namespace dlslime {

SimEndpoint::SimEndpoint(SimEngine& engine, std::unique_ptr<SimPipe> pipe, RegionTable& regions,
                         EndpointHandler& handler)
    : StreamEndpoint(engine.name(), std::move(pipe), regions, handler), engine_(engine) {
  static_cast<SimPipe&>(this->pipe()).belongs_to(this);
  ring();  // bytes may have come before us
}

SimEndpoint::~SimEndpoint() {
  static_cast<SimPipe&>(pipe()).belongs_to(nullptr);
  engine_.remove(*this);
}

bool SimEndpoint::post(std::span<const std::byte> head, std::span<const std::byte> body) {
  const bool taken = StreamEndpoint::post(head, body);
  ring();
  return taken;
}

void SimEndpoint::put(Segment& segment) {
  StreamEndpoint::put(segment);
  ring();
}

void SimEndpoint::get(Segment& segment) {
  StreamEndpoint::get(segment);
  ring();
}

void SimEndpoint::ring() {
  engine_.host_.wake();
  if (rung_) return;
  rung_ = true;
  engine_.rung_.push_back(this);
}

SimEngine::SimEngine(SimHost& host, Range range) : host_(host), range_(range) {
  const SimConfig& config = host.world().config();
  capabilities_.max_message = stream::kMaxMessage;
  capabilities_.shared_pages = config.shared_pages && range == Range::kHost;
}

std::string SimEngine::address() const { return std::to_string(host_.rank()); }

int SimEngine::rank_of(const PeerInfo& peer) const {
  const auto found = peer.addresses.find(std::string(name()));
  if (found == peer.addresses.end()) return -1;
  const std::string& text = found->second;
  int rank = -1;
  std::from_chars(text.data(), text.data() + text.size(), rank);
  return rank < host_.world().size() ? rank : -1;
}

Status SimEngine::reach(const PeerInfo& peer) {
  const int rank = rank_of(peer);
  if (rank >= 0 && range_ == Range::kHost && !host_.world().config().same_host(host_.rank(), rank))
    return Status(Code::kElsewhere, "another simulated host").via(name());
  if (rank >= 0) return {};
  return Status(Code::kUnavailable, "the peer is not of this simulated world").via(name());
}

std::unique_ptr<Endpoint> SimEngine::connect(const PeerInfo& peer, uint64_t link, std::string_view,
                                             EndpointHandler& handler) {
  SimWorld& world = host_.world();
  const int other = rank_of(peer);
  auto endpoint = std::make_unique<SimEndpoint>(*this, world.connect(host_.rank(), other, link),
                                                host_.regions(), handler);
  endpoint->fetches = world.config().fetches(host_.rank(), other);
  endpoint->peer_fetches = world.config().fetches(other, host_.rank());
  endpoint->most_fetched = 100'000;
  endpoint->ring();  // the peer, if it was first, may have spoken or died already
  return endpoint;
}

Status SimEngine::share(const SharedPages::Layout& layout, std::unique_ptr<SharedPages>* out) {
  *out = std::make_unique<SimPages>(host_, layout);
  return {};
}

bool SimEngine::reads_private(const PeerInfo&) { return host_.world().config().read_private; }

bool SimEngine::poll() {
  if (rung_.empty()) return false;
  bool moved = false;
  polling_.swap(rung_);
  for (size_t i = 0; i < polling_.size(); ++i) {
    SimEndpoint* endpoint = polling_[i];
    if (!endpoint) continue;
    endpoint->rung_ = false;
    const bool it_moved = endpoint->poll();
    moved |= it_moved;
    if (it_moved && polling_[i]) endpoint->ring();
  }
  polling_.clear();
  return moved;
}

void SimEngine::remove(SimEndpoint& endpoint) {
  for (auto* list : {&rung_, &polling_})
    std::replace(list->begin(), list->end(), &endpoint, static_cast<SimEndpoint*>(nullptr));
}

}  // namespace dlslime
