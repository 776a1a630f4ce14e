#include "torch_ext/engines.h"

#if __has_include("engine/shm/shm_engine.h")
#include "engine/shm/shm_engine.h"
#define DLSLIME_HAS_SHM 1
#endif
#include "base/log.h"
#include "engine/tcp/local_address.h"
#include "engine/tcp/tcp_engine.h"

namespace dlslime {

const std::vector<std::string>& known_engines() {
  static const auto* const names = new std::vector<std::string>{"shm", "tcp"};
  return *names;
}

std::string route_to(const std::string& host) {
  std::string address;
  if (host.empty()) return address;
  const Status found = local_address_towards(host, &address);
  if (!found.ok()) log_warning_once("no address towards " + host + ", loopback is used: " + found.what());
  return found.ok() ? address : std::string();
}

namespace {

template <class E>
Status make(const typename E::Options& options, const Services& services, Runtime& runtime) {
  std::unique_ptr<E> engine;
  Status status = E::create(options, services, &engine);
  if (status.ok()) runtime.add(std::move(engine));
  return status;
}

}  // namespace

Status make_engine(const std::string& name, const Settings& settings, const std::string& address,
                   const Services& services, Runtime& runtime) {
#ifdef DLSLIME_HAS_SHM
  if (name == "shm") return make<ShmEngine>({}, services, runtime);
#endif
  if (name == "tcp") {
    TcpEngine::Options options;
    options.address = settings.interface.empty() ? address : "";
    options.interface = settings.interface;
    options.connect_budget = settings.connect_timeout;
    return make<TcpEngine>(options, services, runtime);
  }
  return {Code::kUnavailable, "engine " + name + " is not part of this build"};
}

}  // namespace dlslime
