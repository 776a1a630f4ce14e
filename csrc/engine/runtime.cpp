#include "engine/runtime.h"

#include <unistd.h>

#include <array>

#include "base/random.h"

namespace dlslime {

void Runtime::add(std::unique_ptr<Engine> engine) {
  self_.addresses[std::string(engine->name())] = engine->address();
  executor_.add(*engine);
  engines_.push_back(std::move(engine));
}

Engine* Runtime::engine(std::string_view name) const {
  for (const auto& engine : engines_) {
    if (engine->name() == name) return engine.get();
  }
  return nullptr;
}

Runtime::Connection Runtime::connection(const std::string& peer_id, const std::string& engine) const {
  const auto found = connections_.find({peer_id, engine});
  auto endpoint = found == connections_.end() ? nullptr : found->second.endpoint.lock();
  if (!endpoint || !endpoint->state().ok()) return {};
  return {found->second.link, std::move(endpoint)};
}

void Runtime::remember(const std::string& peer_id, const std::string& engine, const Connection& connection) {
  std::erase_if(connections_, [](const auto& known) { return known.second.endpoint.expired(); });
  connections_.insert_or_assign({peer_id, engine}, Known{connection.link, connection.endpoint});
}

PeerInfo new_identity(std::string host) {
  constexpr char kDigits[] = "0123456789abcdef";
  PeerInfo self;
  for (uint8_t byte : random_value<std::array<uint8_t, 16>>()) {
    self.id += kDigits[byte >> 4];
    self.id += kDigits[byte & 15];
  }
  const auto secret = random_value<std::array<char, 32>>();
  self.secret.assign(secret.begin(), secret.end());
  self.pid = int(getpid());
  self.host = std::move(host);
  return self;
}

}  // namespace dlslime
