#include "engine/shm/shm_endpoint.h"

#include <fcntl.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace dlslime::shm {
namespace {
constexpr size_t kSlice = 128 << 10;  // of a direct get, per pass: about 20 us
}

ShmEndpoint::ShmEndpoint(std::shared_ptr<ShmPeer> peer, std::unique_ptr<RingPipe> pipe, Reactor& reactor,
                         RegionTable& regions, EndpointHandler& handler)
    : StreamEndpoint("shm", std::move(pipe), regions, handler),
      peer_(std::move(peer)),
      ring_(static_cast<RingPipe&>(this->pipe())),
      reactor_(reactor),
      death_(fcntl(peer_->pidfd(), F_DUPFD_CLOEXEC, 0)) {
  if (!death_) throw std::system_error(errno, std::generic_category(), "watching a peer's process");
  const Status added = reactor_.add(death_.get(), EPOLLIN, Reactor::Heat::kCold, [this](uint32_t) {
    dead_ = true;
    reactor_.remove(death_.get());
  });
  if (!added.ok()) throw Failure(added);
}

ShmEndpoint::~ShmEndpoint() {
  if (!dead_) reactor_.remove(death_.get());
}

void ShmEndpoint::get(Segment& segment) {
  if (!fetches) return StreamEndpoint::get(segment);
  gets_.push_back(segment);
}

void ShmEndpoint::cancel(Segment& segment) {
  if (static_cast<Hook<Segment>&>(segment).linked()) {
    if (gets_.front() == &segment) read_ = 0;
    static_cast<Hook<Segment>&>(segment).unlink();
    return;
  }
  StreamEndpoint::cancel(segment);
}

void ShmEndpoint::finish(Segment& segment, Status status) {
  gets_.pop_front();
  read_ = 0;
  segment.completed(std::move(status));
}

// Ok, or why the get can't go on: asked before every slice and after the last.
Status ShmEndpoint::allowed(const Segment& segment) const {
  const RemoteRegion& region = segment.remote;
  if (dead_) return {Code::kPeerDied, "process " + std::to_string(peer_->pid()) + " is gone"};
  if (!peer_->grants(region))
    return {Code::kDenied, "the peer does not grant region " + std::to_string(region.id) + " (any more)"};
  if (region.rights != Rights::kRead) return {Code::kDenied, "the grant does not allow a get"};
  if (segment.offset > region.length || segment.local.size() > region.length - segment.offset) {
    return {Code::kDenied, "a get beyond the " + std::to_string(region.length) + " bytes granted"};
  }
  return {};
}

bool ShmEndpoint::read_slice() {
  Segment* segment = gets_.front();
  if (!segment) return false;
  Status status = allowed(*segment);
  if (status.ok()) {
    const auto slice = segment->local.subspan(read_, std::min(segment->local.size() - read_, kSlice));
    status = peer_->read(segment->remote.address + segment->offset + read_, slice);
    read_ += slice.size();
    if (status.ok() && read_ < segment->local.size()) return true;
    if (status.ok()) status = allowed(*segment);  // were those bytes still the sender's message?
  }
  finish(*segment, std::move(status));
  return true;
}

bool ShmEndpoint::advance() {
  bool moved = read_slice();
  if (dead_ && state().ok()) {
    ring_.peer_died();
    moved = true;
  }
  if (ring_.look() || pending() || dead_) moved |= poll();
  if (!state().ok()) {
    while (Segment* segment = gets_.front()) finish(*segment, state());
  }
  return moved;
}

}  // namespace dlslime::shm
