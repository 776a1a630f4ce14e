#include "engine/tcp/tcp_engine.h"

#include "engine/tcp/local_address.h"

namespace dlslime {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using tcp::TcpEndpoint;

namespace {
constexpr Nanos kTurnTime = microseconds(20);     // of a pass; who is still due then is first in the next one
constexpr Nanos kLookInterval = milliseconds(1);  // calls to be tried again, callers that are late
constexpr Nanos kPathCheckInterval = seconds(1);

Status listening_address(const TcpEngine::Options& options, tcp::SocketAddress* out) {
  std::string host = options.address;
  if (host.empty() && !options.interface.empty()) {
    if (Status found = address_of_interface(options.interface, &host); !found.ok()) return found;
  }
  if (Status parsed = tcp::parse_host(host.empty() ? "127.0.0.1" : host, out); !parsed.ok()) return parsed;
  if (out->wildcard())
    return {Code::kInvalid, host + " is no address that a peer could connect to: name one of this host's"};
  return {};
}
}  // namespace

TcpEngine::TcpEngine(const Options& options, const Services& services)
    : connect_budget_(options.connect_budget),
      services_(services),
      lingering_(services.clock),
      listener_(services) {}

Status TcpEngine::create(const Options& options, const Services& services, std::unique_ptr<TcpEngine>* out) {
  tcp::SocketAddress at;
  if (Status found = listening_address(options, &at); !found.ok()) return std::move(found).via(kName);
  std::unique_ptr<TcpEngine> engine(new TcpEngine(options, services));
  if (Status opened = engine->listener_.open(at); !opened.ok()) return std::move(opened).via(kName);
  *out = std::move(engine);
  return {};
}

const Capabilities& TcpEngine::capabilities() const {
  static constexpr Capabilities kCapabilities{.max_message = stream::kMaxMessage};
  return kCapabilities;
}

Status TcpEngine::reach(const PeerInfo& peer) {
  const auto found = peer.addresses.find(std::string(kName));
  if (found == peer.addresses.end())
    return Status(Code::kUnavailable, "the peer does not listen on any address").via(kName);
  if (peer.id == services_.self.id) return Status(Code::kUnavailable, "the peer is this process").via(kName);
  if (!tcp::usable(peer))
    return Status(Code::kInvalid, "the peer's record has no proper id and secret").via(kName);
  tcp::SocketAddress address;
  return tcp::parse_address(found->second, &address).via(kName);
}

std::unique_ptr<Endpoint> TcpEngine::connect(const PeerInfo& peer, uint64_t link, std::string_view,
                                             EndpointHandler& handler) {
  const Status reachable = reach(peer);
  const std::string at = reachable.ok() ? peer.addresses.at(std::string(kName)) : "nowhere";
  auto pipe =
      std::make_unique<tcp::SocketPipe>(services_.reactor, lingering_, "process " + peer.id + " at " + at);
  auto endpoint = std::make_unique<TcpEndpoint>(kName, std::move(pipe), services_.regions, handler, due_);
  endpoints_.push_back(*endpoint);
  tcp::SocketAddress address;
  if (!reachable.ok()) {
    endpoint->unreachable(reachable);
  } else if (services_.self.id > peer.id) {
    endpoint->reached_by(std::make_unique<tcp::Seat>(listener_, peer, link, *endpoint));
  } else if (tcp::parse_address(at, &address).ok()) {
    auto dialer = std::make_unique<tcp::Dialer>(services_, peer, link, address, connect_budget_, *endpoint);
    dialing_.push_back(*dialer);
    endpoint->reached_by(std::move(dialer));
  }
  return endpoint;
}

bool TcpEngine::poll() {
  const Nanos start = services_.clock.now();
  if (start >= next_look_) look_after(start);
  bool moved = false;
  while (TcpEndpoint* endpoint = due_.pop_front()) {
    moved |= endpoint->turn();  // may delete others: they leave the lists by themselves
    if (services_.clock.now() - start >= kTurnTime) break;
  }
  return moved || !due_.empty();
}

void TcpEngine::look_after(Nanos now) {
  next_look_ = now + kLookInterval;
  listener_.start();
  listener_.tick(now);
  lingering_.tick(now);
  for (tcp::Dialer* dialer = dialing_.front(); dialer;) {
    tcp::Dialer* next = dialing_.next(*dialer);  // one that is done leaves the list
    dialer->tick(now);
    dialer = next;
  }
  if (now < next_path_check_) return;
  next_path_check_ = now + kPathCheckInterval;
  for (TcpEndpoint* endpoint = endpoints_.front(); endpoint; endpoint = endpoints_.next(*endpoint))
    endpoint->check_path();
}

}  // namespace dlslime
