// ShmEngine: processes on one host, proven by mapping each other's page through /proc: no guess from names or environment.
//
// Threads:    under the token, but for address().
// Ownership:  endpoints and pages belong to who made them and must be gone before the engine.
// Errors:     reach() and offer() say what is in the way; then another engine serves the pair. Where only direct reads are refused,
//             endpoints say that they are hampered.
// Units:      bytes.
// Requires:   memfd_create (Linux 3.17), pidfd_open (5.3), /proc; process_vm_readv where the system allows it.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "base/processor.h"
#include "engine/engine.h"
#include "engine/services.h"
#include "engine/shm/crowd.h"
#include "engine/shm/process_page.h"
#include "engine/shm/shm_endpoint.h"
#include "engine/shm/shm_pages.h"

namespace dlslime {

class ShmEngine final : public Engine, public shm::PeerDirectory {
 public:
  struct Options {
    bool direct_reads = true;  // process_vm_readv where allowed
    size_t most_fetched = most_fetched_here();
  };
  // A read by the system is one copy by one core; beyond this, two copies by two cores at once take less time.
  static size_t most_fetched_here() { return hands_over_fast() ? 0 : 512 << 10; }
  static Status create(const Options& options, const Services& services, std::unique_ptr<ShmEngine>* out);
  ~ShmEngine() override;

  std::string_view name() const override { return "shm"; }
  const Capabilities& capabilities() const override;
  std::string address() const override { return page_->address(); }
  Status reach(const PeerInfo& peer) override;
  Status offer(const PeerInfo& peer, uint64_t link, std::string* out) override;
  void withdraw(const PeerInfo& peer, uint64_t link) override;
  std::unique_ptr<Endpoint> connect(const PeerInfo& peer, uint64_t link, std::string_view offer,
                                    EndpointHandler& handler) override;
  Status share(const SharedPages::Layout& layout, std::unique_ptr<SharedPages>* out) override;
  bool reads_private(const PeerInfo& peer) override;

  bool poll() override;
  void about_to_sleep() override {
    page_->contents().asleep.store(1, std::memory_order_seq_cst);
    __sync_synchronize();  // the words are read with acquire only; TSan knows no std::atomic_thread_fence
  }
  void about_to_yield(Nanos now) override;
  void woke() override { page_->contents().asleep.store(0, std::memory_order_seq_cst); }

  Status meet(const PeerInfo& peer, std::shared_ptr<shm::ShmPeer>* out) override;
  const SharedHeap& heap() const override { return services_.heap; }
  size_t show_heap() override { return page_->show(services_.heap); }

 private:
  ShmEngine(const Options& options, const Services& services, std::unique_ptr<shm::ProcessPage> page);
  bool reads_directly(const shm::ShmPeer& peer) const { return options_.direct_reads && peer.can_read(); }

  const Options options_;
  const Services services_;
  std::unique_ptr<shm::ProcessPage> page_;
  // By PeerInfo::id; alive while somebody uses them.
  std::map<std::string, std::weak_ptr<shm::ShmPeer>> peers_;
  std::map<std::string, std::shared_ptr<shm::ShmPeer>> met_;  // reached, not yet connected or shared with
  std::map<std::pair<std::string, uint64_t>, SharedMemory> offered_;  // rings made, by peer and link
  List<shm::ShmEndpoint, shm::EndpointTag> endpoints_;
  shm::Crowd crowd_;
  std::vector<int> cpus_;  // of the peers, while it looks; has room for all
};

}  // namespace dlslime
