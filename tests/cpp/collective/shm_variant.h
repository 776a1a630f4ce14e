// ShmVariant: the shared-memory engine, with what its groups share as a test wants it.
//
//   kPages      as it is: every rank maps every other's memory
//   kOnePlace   ranks that are threads of one process look at each other's memory where its owner has mapped it. The bytes are the
//               same, but only so can ThreadSanitizer see who reads what another writes: it knows memory by its address
//   kMessages   nothing is shared: groups use messages
//
// Threads, ownership, errors: as the engine's.   kOnePlace: nobody's pages go before all are done with them.
#pragma once
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "engine/shm/shm_engine.h"

namespace dlslime {

enum class Sharing { kPages, kOnePlace, kMessages };

class PagesInOnePlace final : public SharedPages {
 public:
  PagesInOnePlace(const Layout& layout, std::unique_ptr<SharedPages> real)
      : SharedPages(layout), real_(std::move(real)) {
    look_at(layout.rank, first_line(), real_->data(layout.rank).data());
  }

  std::string offer() const override {
    const auto number = [](const void* at) { return std::to_string(reinterpret_cast<uintptr_t>(at)); };
    return pack({{"real", real_->offer()},
                 {"lines", number(first_line())},
                 {"data", number(real_->data(rank()).data())}});
  }
  Status attach(int rank, const PeerInfo& peer, std::string_view offer) override {
    Blob parts;
    if (Status status = unpack(offer, &parts); !status.ok()) return status;
    look_at(rank, at<Line>(parts["lines"]), at<std::byte>(parts["data"]));
    return real_->attach(rank, peer, parts["real"]);
  }
  void publish(size_t line, uint64_t value) override { real_->publish(line, value); }
  size_t give_back(size_t from) override { return real_->give_back(from); }
  bool is_mapped(std::span<const std::byte> mine) override { return real_->is_mapped(mine); }
  Status mapped(int owner, uint64_t address, size_t bytes, const std::byte** at) const override {
    const Status status = real_->mapped(owner, address, bytes, at);
    if (status.ok()) *at = reinterpret_cast<const std::byte*>(address);
    return status;
  }
  bool can_read_private() const override { return real_->can_read_private(); }
  Status read_private(int owner, uint64_t address, std::span<std::byte> into) const override {
    return real_->read_private(owner, address, into);
  }

 private:
  Line* first_line() const {
    return reinterpret_cast<Line*>(real_->payload(rank(), 0).data() - offsetof(Line, payload));
  }
  template <class T>
  static T* at(const std::string& number) {
    return reinterpret_cast<T*>(std::strtoull(number.c_str(), nullptr, 10));
  }
  void look_at(int rank, Line* lines, std::byte* data) {
    words_[size_t(rank)] = lines_[size_t(rank)] = lines;
    data_[size_t(rank)] = data;
  }

  std::unique_ptr<SharedPages> real_;
};

class ShmVariant final : public Engine {
 public:
  ShmVariant(std::unique_ptr<ShmEngine> engine, Sharing sharing)
      : engine_(std::move(engine)),
        sharing_(sharing),
        capabilities_{engine_->capabilities().max_message, sharing != Sharing::kMessages} {}

  std::string_view name() const override { return engine_->name(); }
  const Capabilities& capabilities() const override { return capabilities_; }
  std::string address() const override { return engine_->address(); }
  Status reach(const PeerInfo& peer) override { return engine_->reach(peer); }
  Status offer(const PeerInfo& peer, uint64_t link, std::string* out) override {
    return engine_->offer(peer, link, out);
  }
  void withdraw(const PeerInfo& peer, uint64_t link) override { engine_->withdraw(peer, link); }
  std::unique_ptr<Endpoint> connect(const PeerInfo& peer, uint64_t link, std::string_view offer,
                                    EndpointHandler& handler) override {
    return engine_->connect(peer, link, offer, handler);
  }
  Status share(const SharedPages::Layout& layout, std::unique_ptr<SharedPages>* out) override {
    const Status made = engine_->share(layout, out);
    if (made.ok() && sharing_ == Sharing::kOnePlace)
      *out = std::make_unique<PagesInOnePlace>(layout, std::move(*out));
    return made;
  }

  bool reads_private(const PeerInfo& peer) override { return engine_->reads_private(peer); }

  bool poll() override { return engine_->poll(); }
  void about_to_sleep() override { engine_->about_to_sleep(); }
  void about_to_yield(Nanos now) override { engine_->about_to_yield(now); }
  void woke() override { engine_->woke(); }

 private:
  std::unique_ptr<ShmEngine> engine_;
  const Sharing sharing_;
  const Capabilities capabilities_;
};

}  // namespace dlslime
