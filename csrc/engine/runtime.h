// Runtime: what one process has to reach others with: its identity, its engines in order of preference, its connections.
//
// Threads:    under the token.
// Ownership:  owns the engines; refers to the executor and the region table, which outlive it; connections are shared by the
//             groups that use them and go with the last one.
// Errors:     none of its own.
// Invariants: one connection per peer process and engine is handed on, the newest; two groups in the making at
//             once may each have made one.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "engine/engine.h"
#include "engine/peer_info.h"
#include "memory/region.h"

namespace dlslime {

class Runtime {
 public:
  Runtime(Executor& executor, RegionTable& regions, PeerInfo self)
      : executor_(executor), regions_(regions), self_(std::move(self)) {}

  Executor& executor() { return executor_; }
  RegionTable& regions() { return regions_; }
  const PeerInfo& self() const { return self_; }

  void add(std::unique_ptr<Engine> engine);  // the most preferred first
  const std::vector<std::unique_ptr<Engine>>& engines() const { return engines_; }
  Engine* engine(std::string_view name) const;

  struct Connection {
    uint64_t link = 0;  // its number, the same on both sides
    std::shared_ptr<Endpoint> endpoint;
  };
  // The live connection to a process, or a null endpoint.
  Connection connection(const std::string& peer_id, const std::string& engine) const;
  void remember(const std::string& peer_id, const std::string& engine, const Connection& connection);

 private:
  Executor& executor_;
  RegionTable& regions_;
  PeerInfo self_;
  std::vector<std::unique_ptr<Engine>> engines_;
  struct Known {
    uint64_t link;
    std::weak_ptr<Endpoint> endpoint;
  };
  std::map<std::pair<std::string, std::string>, Known> connections_;
};

// 32 random hex digits and 32 random bytes: a new incarnation of this process.
PeerInfo new_identity(std::string host);

}  // namespace dlslime
