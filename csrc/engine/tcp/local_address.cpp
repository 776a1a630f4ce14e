#include "engine/tcp/local_address.h"

#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>

#include <cstring>
#include <memory>
#include <vector>

#include "engine/tcp/socket.h"

namespace dlslime {
namespace {

using tcp::SocketAddress;

bool useful(const SocketAddress& address) {
  if (address.storage.ss_family != AF_INET6) return true;
  return !IN6_IS_ADDR_LINKLOCAL(&reinterpret_cast<const sockaddr_in6&>(address.storage).sin6_addr);
}

// Connecting a UDP socket sends nothing; it only asks the routing table.
bool route_to(SocketAddress target, SocketAddress* from) {
  auto& port = target.storage.ss_family == AF_INET6
                   ? reinterpret_cast<sockaddr_in6&>(target.storage).sin6_port
                   : reinterpret_cast<sockaddr_in&>(target.storage).sin_port;
  port = htons(9);
  const UniqueFd fd(::socket(target.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd || ::connect(fd.get(), target.raw(), target.size) != 0) return false;
  from->size = sizeof from->storage;
  return ::getsockname(fd.get(), from->raw(), &from->size) == 0 && useful(*from);
}

Status look_up(const std::string& host, std::vector<SocketAddress>* out) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found); error != 0) {
    return {Code::kInvalid, "no address for host '" + host + "': " + gai_strerror(error)};
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  for (const addrinfo* one = found; one; one = one->ai_next) {
    if (one->ai_family != AF_INET && one->ai_family != AF_INET6) continue;
    SocketAddress& address = out->emplace_back();
    std::memcpy(&address.storage, one->ai_addr, one->ai_addrlen);
    address.size = one->ai_addrlen;
  }
  return {};
}

// Many systems name themselves 127.0.1.1 in /etc/hosts. Other hosts resolve that name to the real address;
// what would reach them is the address of the default route (asked with an address that is reserved for
// documentation).
bool default_route(SocketAddress* from) {
  SocketAddress anywhere;
  for (const char* host : {"192.0.2.1", "2001:db8::1"}) {
    if (tcp::parse_host(host, &anywhere).ok() && route_to(anywhere, from) && !from->loopback()) return true;
  }
  return false;
}

}  // namespace

Status local_address_towards(std::string_view host, std::string* address) {
  std::vector<SocketAddress> targets;
  if (Status found = look_up(std::string(host), &targets); !found.ok()) return found;
  SocketAddress from;
  const SocketAddress* loopback = nullptr;
  for (const SocketAddress& target : targets) {
    if (target.loopback()) {
      loopback = loopback ? loopback : &target;
    } else if (route_to(target, &from)) {
      *address = from.host();
      return {};
    }
  }
  if (!loopback) return {Code::kUnavailable, "no route to host '" + std::string(host) + "'"};
  SocketAddress number;
  const bool meant = host == "localhost" || tcp::parse_host(host, &number).ok();
  *address = !meant && default_route(&from) ? from.host() : loopback->host();
  return {};
}

Status address_of_interface(std::string_view interface, std::string* address) {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return {Code::kUnavailable, "the network interfaces can't be listed"};
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(all, freeifaddrs);
  bool exists = false;
  for (const int family : {AF_INET, AF_INET6}) {
    for (const ifaddrs* one = all; one; one = one->ifa_next) {
      if (interface != one->ifa_name) continue;
      exists = true;
      if (!one->ifa_addr || one->ifa_addr->sa_family != family) continue;
      SocketAddress found;
      found.size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
      std::memcpy(&found.storage, one->ifa_addr, found.size);
      if (!useful(found)) continue;
      *address = found.host();
      return {};
    }
  }
  return {exists ? Code::kUnavailable : Code::kInvalid,
          "network interface '" + std::string(interface) +
              (exists ? "' has no usable address" : "' does not exist")};
}

}  // namespace dlslime
