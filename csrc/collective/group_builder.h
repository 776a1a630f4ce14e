// GroupBuilder: how ranks become a group, in two rounds of exchanged blobs. It does not know how blobs travel (a store, memory).
//
//   round   each rank publishes          and then knows
//   1       hello(): who it is           whom it can reach, and by which engines     (meet)
//   2       offers(): that, and what     which engine each pair uses, the same on    (connect)
//           each peer needs to connect;  both sides; which share memory, and whether they
//           rank 0: its plan             may read each other's; the plan
//
// Threads:    under the token.   Ownership: gives the finished group to the caller.
// Errors:     another wire version, a pair without a common engine (with both sides' reasons), an engine's own failure. What is
//             merely worse than it could be is in notices().
// Invariants: every rank draws the same conclusions from the same blobs. After connect() the ranks should pass a barrier before
//             any of them leaves, since peers may still be attaching to what it shares.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "collective/group.h"
#include "collective/route.h"
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
    Blob missing = {};  // engines that could not be made, and why: whoever made the runtime has said so
  };
  GroupBuilder(Runtime& runtime, Messenger& messenger, Spec spec);
  ~GroupBuilder();

  std::string hello() const;
  Status meet(const std::vector<std::string>& hellos);  // by rank, its own too
  std::string offers();
  Status connect(const std::vector<std::string>& offers, std::unique_ptr<Group>* group);
  std::vector<Notice> notices() const;  // after connect(): for the log, once the token is released

 private:
  std::vector<std::string> wanted() const;
  std::vector<Engine*> allowed() const;
  Together expected_together();
  void offer_to(int rank, Blob* offers);
  void offer_pages(Blob* offers);
  Status choose(const std::vector<Blob>& offers);
  Status connect_peer(int rank, const std::vector<Blob>& offers);
  Status attach_pages(const std::vector<Blob>& offers);
  void find_hosts(const std::vector<Blob>& offers, const std::vector<std::vector<std::string>>& engines);
  void agree_on_pages(const std::vector<Blob>& offers);
  bool all_read_private(const std::vector<Blob>& offers) const;
  Status agree_on_plan(const Blob& from_rank_0);
  std::string engines_text() const;

  Runtime& runtime_;
  Messenger& messenger_;
  Spec spec_;
  uint64_t nonce_;
  uint64_t context_ = 0;
  bool built_ = false;  // from then on the context is the group's
  std::vector<PeerInfo> peers_;
  std::vector<Outlook> outlooks_;  // by rank: what we say of our ways to it
  std::vector<Route> routes_;      // by rank
  // By rank and engine: what there was when we said so. Kept, that it is still there when the others hear of it.
  std::map<std::pair<int, std::string>, Runtime::Connection> connections_;
  std::vector<std::shared_ptr<Endpoint>> endpoints_;
  std::unique_ptr<SharedPages> pages_;
  Hosts hosts_;
  size_t crowd_ = 0;  // ranks that are too many to share memory
  std::string why_no_pages_;
  std::string passed_over_;  // what our own plan was, where rank 0's is another
};

}  // namespace dlslime
