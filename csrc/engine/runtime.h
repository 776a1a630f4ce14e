// Runtime: what one process has to reach others with: its identity, its engines in order of preference, its connections.
//
// Threads:    under the token.
// Ownership:  owns the engines; refers to the executor and the region table, which outlive it; connections are shared by the
//             groups that use them and go with the last one.
// Errors:     none of its own.
// Invariants: one connection per peer process and engine at a time.
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

  // The live connection to a process, or null.
  std::shared_ptr<Endpoint> connection(const std::string& peer_id, const std::string& engine) const;
  void remember(const std::string& peer_id, const std::string& engine,
                const std::shared_ptr<Endpoint>& endpoint) {
    connections_[{peer_id, engine}] = endpoint;
  }

 private:
  Executor& executor_;
  RegionTable& regions_;
  PeerInfo self_;
  std::vector<std::unique_ptr<Engine>> engines_;
  std::map<std::pair<std::string, std::string>, std::weak_ptr<Endpoint>> connections_;
};

// 32 random hex digits and 32 random bytes: a new incarnation of this process.
PeerInfo new_identity(std::string host);

}  // namespace dlslime
