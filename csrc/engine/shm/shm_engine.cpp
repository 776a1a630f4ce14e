#include "engine/shm/shm_engine.h"

#include <sched.h>
#include <sys/epoll.h>

#include <vector>

namespace dlslime {

using shm::ShmEndpoint;
using shm::ShmPeer;

ShmEngine::ShmEngine(const Options& options, const Services& services, std::unique_ptr<shm::ProcessPage> page)
    : options_(options), services_(services), page_(std::move(page)) {
  services_.regions.show_live(page_->contents().live);
}

Status ShmEngine::create(const Options& options, const Services& services, std::unique_ptr<ShmEngine>* out) {
  std::unique_ptr<shm::ProcessPage> page;
  if (Status status = shm::ProcessPage::create(&page); !status.ok()) return status;
  out->reset(new ShmEngine(options, services, std::move(page)));
  ShmEngine* const engine = out->get();
  return services.reactor.add(engine->page_->bell_fd(), EPOLLIN, Reactor::Heat::kCold,
                              [engine](uint32_t) { engine->page_->silence(); });
}

ShmEngine::~ShmEngine() {
  services_.reactor.remove(page_->bell_fd());
  services_.regions.show_live({});
}

const Capabilities& ShmEngine::capabilities() const {
  static const Capabilities capabilities{stream::kMaxMessage, true};
  return capabilities;
}

// Proven once per process, and again only after everybody has let go of it.
Status ShmEngine::meet(const PeerInfo& peer, std::shared_ptr<ShmPeer>* out) {
  std::weak_ptr<ShmPeer>& known = peers_[peer.id];
  if (*out = known.lock(); *out && peer.host == services_.self.host && peer.addresses.contains("shm"))
    return {};
  std::unique_ptr<ShmPeer> opened;
  if (Status status = ShmPeer::open(services_.self, peer, &opened); !status.ok()) return status;
  *out = std::move(opened);
  known = *out;
  cpus_.reserve(peers_.size());
  return {};
}

Status ShmEngine::reach(const PeerInfo& peer) {
  std::shared_ptr<ShmPeer> met;
  Status status = meet(peer, &met);
  if (status.ok()) met_[peer.id] = std::move(met);
  return status;
}

Status ShmEngine::offer(const PeerInfo& peer, uint64_t link, std::string* out) {
  std::shared_ptr<ShmPeer> known;
  SharedMemory ring;
  if (Status met = meet(peer, &known); !met.ok()) return met;
  if (Status made = SharedMemory::create("ring", sizeof(shm::Ring), &ring); !made.ok()) return made;
  *out = pack({{"ring", ring.offer()}, {"reads", reads_directly(*known) ? "1" : ""}});
  offered_[{peer.id, link}] = std::move(ring);
  return {};
}

void ShmEngine::withdraw(const PeerInfo& peer, uint64_t link) {
  if (auto offered = offered_.extract({peer.id, link}))  // the peer may have opened it already
    shm::RingPipe::abandon(offered.mapped());
  met_.erase(peer.id);
  if (const auto found = peers_.find(peer.id); found != peers_.end() && found->second.expired())
    peers_.erase(found);
}

std::unique_ptr<Endpoint> ShmEngine::connect(const PeerInfo& peer, uint64_t link, std::string_view offer,
                                             EndpointHandler& handler) {
  auto mine = offered_.extract({peer.id, link});
  if (mine.empty()) return nullptr;
  std::shared_ptr<ShmPeer> known;
  Blob parts;
  SharedMemory theirs;
  if (!meet(peer, &known).ok() || !unpack(offer, &parts).ok() ||
      !SharedMemory::open(known->pid(), parts["ring"], sizeof(shm::Ring), &theirs).ok()) {
    shm::RingPipe::abandon(mine.mapped());  // the peer may have opened it already
    return nullptr;
  }
  auto pipe = std::make_unique<shm::RingPipe>(known, std::move(mine.mapped()), std::move(theirs));
  auto endpoint =
      std::make_unique<ShmEndpoint>(known, std::move(pipe), services_.reactor, services_.regions, handler);
  endpoint->fetches = reads_directly(*known);
  endpoint->peer_fetches = !parts["reads"].empty();
  endpoint->most_fetched = options_.most_fetched;
  if (options_.direct_reads && options_.most_fetched && !known->can_read()) {
    endpoint->hampered = "the peer's memory can't be read directly (" + known->why_unreadable() +
                         "), so large payloads move in two copies instead of one";
  }
  endpoints_.push_back(*endpoint);
  return endpoint;
}

Status ShmEngine::share(const SharedPages::Layout& layout, std::unique_ptr<SharedPages>* out) {
  std::unique_ptr<shm::ShmPages> pages;
  Status status = shm::ShmPages::create(layout, *this, &pages);
  *out = std::move(pages);
  return status;
}

bool ShmEngine::reads_private(const PeerInfo& peer) {
  std::shared_ptr<ShmPeer> known;
  return meet(peer, &known).ok() && reads_directly(*known);
}

void ShmEngine::about_to_yield(Nanos now) {
  const int here = sched_getcpu();
  page_->contents().cpu.store(here + 1, std::memory_order_relaxed);
  if (!crowd_.due(now)) return;
  cpus_.clear();
  for (const auto& [id, known] : peers_) {
    if (const auto peer = known.lock()) cpus_.push_back(peer->cpu());
  }
  crowd_.look(now, here, cpus_);
}

bool ShmEngine::poll() {
  bool moved = false;
  for (ShmEndpoint* endpoint = endpoints_.front(); endpoint;) {
    ShmEndpoint* next = endpoints_.next(*endpoint);
    moved |= endpoint->advance();
    endpoint = next;
  }
  return moved;
}

}  // namespace dlslime
