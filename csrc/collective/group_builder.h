// GroupBuilder: how ranks become a group, in two rounds of exchanged blobs. It does not know how blobs travel (a store, memory).
//
//   round   each rank publishes          and then knows
//   1       hello(): who it is           whom it can reach, and by which engines     (meet)
//   2       offers(): that, and what     which engine each pair uses, the same on    (connect)
//           each peer needs to connect   both sides; whether all share memory
//
// Threads:    under the token.   Ownership: gives the finished group to the caller.
// Errors:     another wire version, a pair without a common engine (with both sides' reasons), an engine's own failure.
// Invariants: every rank draws the same conclusions from the same blobs. After connect() the ranks should pass a barrier before
//             any of them leaves, since peers may still be attaching to what it shares.
#pragma once
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "collective/group.h"
#include "engine/runtime.h"
#include "message/messenger.h"

namespace dlslime {

class GroupBuilder {
 public:
  struct Spec {
    std::string name;
    int rank = 0;
    int size = 1;
    std::vector<std::string> engines;  // allowed, in order of preference; empty: all
    Plan plan;
  };
  GroupBuilder(Runtime& runtime, Messenger& messenger, Spec spec);
  ~GroupBuilder();

  std::string hello() const;
  Status meet(const std::vector<std::string>& hellos);  // by rank, its own too
  std::string offers();
  Status connect(const std::vector<std::string>& offers, std::unique_ptr<Group>* group);

 private:
  using Blob = std::map<std::string, std::string>;
  std::vector<Engine*> allowed() const;
  Engine* pages_candidate() const;
  Status choose(const std::vector<Blob>& offers);
  Status connect_peer(int rank, const std::vector<Blob>& offers);
  Status attach_pages(const std::vector<Blob>& offers);
  std::string chosen(const std::vector<Blob>& offers, int low, int high) const;
  std::string engines_text() const;

  Runtime& runtime_;
  Messenger& messenger_;
  Spec spec_;
  uint64_t nonce_;
  uint64_t context_ = 0;
  std::vector<PeerInfo> peers_;
  std::vector<std::string> reach_;    // by rank: the engines that reach it, comma separated
  std::vector<std::string> reasons_;  // by rank: why the others do not
  std::vector<std::string> chosen_;   // by rank
  std::vector<std::shared_ptr<Endpoint>> endpoints_;
  std::unique_ptr<SharedPages> pages_;
  std::string pages_engine_;
};

}  // namespace dlslime
