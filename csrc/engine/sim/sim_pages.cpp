#include "engine/sim/sim_pages.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "engine/sim/sim_host.h"
#include "engine/sim/sim_world.h"

namespace dlslime {

using Line = SharedPages::Line;

SimMemory::SimMemory(size_t bytes, size_t alignment) : memory_(std::calloc(1, bytes + alignment)) {
  if (!memory_) throw std::bad_alloc();
  const auto address = reinterpret_cast<uintptr_t>(memory_.get());
  at_ = static_cast<std::byte*>(memory_.get()) + ((alignment - address % alignment) % alignment);
}

SimShare::SimShare(const SharedPages::Layout& l, int rank)
    : lines(l.lines * sizeof(Line), alignof(Line)), data(l.data_bytes, 4096), host_rank(rank), layout(l) {}

SimPages::SimPages(SimHost& host, const Layout& layout)
    : SharedPages(layout), host_(host), shares_(layout.size), seen_(layout.size) {
  auto mine = std::make_shared<SimShare>(layout, host.rank());
  offer_ = host.world().share(mine);
  words_[rank()] = lines_[rank()] = reinterpret_cast<Line*>(mine->lines.data());
  data_[rank()] = mine->data.data();
  shares_[rank()] = std::move(mine);
}

SimPages::~SimPages() {
  host_.world().unshare(offer_);
  for (auto& share : shares_) {
    if (share) std::erase(share->readers, this);
  }
}

Status SimPages::attach(int owner, const PeerInfo& peer, std::string_view offer) {
  if (owner == rank()) return {};
  auto share = host_.world().shared(offer);
  if (!share) return {Code::kUnavailable, "no pages of " + peer.id + " are offered as " + std::string(offer)};
  if (share->layout.lines != layout_.lines || share->layout.data_bytes != layout_.data_bytes) {
    return {Code::kMismatch, "rank " + std::to_string(owner) + " shares pages of another layout"};
  }
  seen_[owner] = std::make_shared<SimMemory>(layout_.lines * sizeof(Line), alignof(Line));
  words_[owner] = reinterpret_cast<Line*>(seen_[owner]->data());
  lines_[owner] = reinterpret_cast<Line*>(share->lines.data());
  data_[owner] = share->data.data();
  for (size_t i = 0; i < layout_.lines; ++i) {
    const uint64_t now = lines_[owner][i].word.load(std::memory_order_relaxed);
    if (now) words_[owner][i].word.store(now, std::memory_order_relaxed);
  }
  share->readers.push_back(this);
  shares_[owner] = std::move(share);
  return {};
}

void SimPages::publish(size_t line, uint64_t value) {
  words_[rank()][line].word.store(value, std::memory_order_release);
  if (!host_.effect()) return;  // it died before this one
  SimWorld& world = host_.world();
  const int owner = rank();
  for (SimPages* reader : shares_[owner]->readers) {
    const int to = reader->host_.rank();
    const auto& seen = reader->seen_[owner];
    world.at(world.now() + world.link_delay(host_.rank(), to), [seen, &world, to, line, value] {
      auto& word = reinterpret_cast<Line*>(seen->data())[line].word;
      if (word.load(std::memory_order_relaxed) < value) word.store(value, std::memory_order_release);
      world.wake(to);
    });
  }
}

// Whoever still needs it shows as wrong data.
size_t SimPages::give_back(size_t from) {
  std::memset(data_[rank()] + from, 0xDD, layout_.data_bytes - from);
  return layout_.data_bytes;
}

bool SimPages::can_read_private() const { return host_.world().config().read_private; }

bool SimPages::is_mapped(std::span<const std::byte>) {
  const SimConfig& config = host_.world().config();
  if (config.maps != SimConfig::Maps::kMixed) return config.maps == SimConfig::Maps::kAll;
  return SimRandom(config.seed ^ (uint64_t(rank()) << 32) ^ asked_++).chance(2);
}

Status SimPages::mapped(int owner, uint64_t address, size_t, const std::byte** at) const {
  *at = reinterpret_cast<const std::byte*>(address);
  return look_at(owner);
}

Status SimPages::read_private(int owner, uint64_t address, std::span<std::byte> into) const {
  if (Status there = look_at(owner); !there.ok()) return there;
  std::memcpy(into.data(), reinterpret_cast<const std::byte*>(address), into.size());
  return {};
}

// Before its memory is read, at once.
Status SimPages::look_at(int owner) const {
  // While it is buried, the others' programs and their memory may be gone.
  if (!host_.alive()) return {Code::kAborted, "the simulated process is over"};
  const SimHost& peer = host_.world().host(shares_[owner]->host_rank);
  if (!peer.alive()) return Status(Code::kPeerDied, "its memory is gone").at_peer(owner).via("sim");
  // Memory as of now: what was published before it was written is seen from here on.
  for (size_t i = 0; i < layout_.lines; ++i)
    words_[owner][i].word.store(lines_[owner][i].word.load(std::memory_order_relaxed),
                                std::memory_order_relaxed);
  return {};
}

}  // namespace dlslime
