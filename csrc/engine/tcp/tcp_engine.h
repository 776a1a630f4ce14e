// TcpEngine: messages and segments over one authenticated TCP connection per endpoint. Of two processes the one with the lower
// PeerInfo::id calls, the other one waits to be called; both endpoints exist at once.
//
// Threads:    create(), reach(), address(): any. Everything else, and destruction, under the executor's token.
// Ownership:  endpoints belong to who connected them and must be gone before the engine. Who owns the engine adds it to the
//             executor, behind the reactor.
// Errors:     create(): kInvalid (an address that can't be meant), kUnavailable (the system refuses). Afterwards nothing fails
//             but endpoints, each by itself: see dialer.h and socket_pipe.h.
// Units:      bytes.
// Invariants: an endpoint costs a system call only when epoll has spoken for it or its owner wants something.
#pragma once
#include <memory>
#include <string>

#include "engine/engine.h"
#include "engine/services.h"
#include "engine/tcp/lingering.h"
#include "engine/tcp/listener.h"
#include "engine/tcp/tcp_endpoint.h"

namespace dlslime {

class TcpEngine final : public Engine {
 public:
  struct Options {
    std::string address;    // numeric, to listen on and to be reached at; empty: that of `interface`
    std::string interface;  // "eth0"; empty too: loopback
    Nanos connect_budget = std::chrono::seconds(10);  // from a call's first failure until it is given up
  };
  static Status create(const Options& options, const Services& services, std::unique_ptr<TcpEngine>* out);
  ~TcpEngine() override = default;

  std::string_view name() const override { return kName; }
  const Capabilities& capabilities() const override;
  std::string address() const override { return listener_.address(); }
  Status reach(const PeerInfo& peer) override;
  Status offer(const PeerInfo&, uint64_t, std::string*) override { return {}; }
  std::unique_ptr<Endpoint> connect(const PeerInfo& peer, uint64_t link, std::string_view offer,
                                    EndpointHandler& handler) override;
  Status share(const SharedPages::Layout&, std::unique_ptr<SharedPages>*) override {
    return {Code::kElsewhere, "no memory is shared over a network"};
  }
  bool poll() override;

  const tcp::Listener& listener() const { return listener_; }
  bool connecting() const {
    return !dialing_.empty() || listener_.awaited();
  }  // an endpoint has no socket yet

 private:
  static constexpr std::string_view kName = "tcp";
  TcpEngine(const Options& options, const Services& services);
  void look_after(Nanos now);

  const Nanos connect_budget_;
  const Services services_;
  tcp::Lingering lingering_;
  tcp::Listener listener_;
  tcp::TcpEndpoint::Due due_;
  List<tcp::TcpEndpoint, tcp::AllTag> endpoints_;
  List<tcp::Dialer, tcp::Dialer> dialing_;
  Nanos next_look_{0}, next_path_check_{0};
};

}  // namespace dlslime
