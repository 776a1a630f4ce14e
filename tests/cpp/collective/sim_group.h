// SimRank: a rank of a simulated world with a group on it, for programs that call collectives one after the other or several at once.
//
// Threads:    one.
// Ownership:  lives in the program's frame; the group goes first, which ends every operation.
// Errors:     run() and join() throw what the operation failed with.
#pragma once
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "collective/group_builder.h"
#include "collective/group_operation.h"
#include "message/messenger.h"
#include "support/sim_run.h"
#include "support/sim_store.h"

namespace dlslime {

class SimRank : public Scope {
 public:
  explicit SimRank(SimHost& host) : host(host), messenger(host.executor(), host.regions()) {}
  // In a world that ends, a Leave may just have been submitted.
  ~SimRank() override { host.executor().retire(*this); }

  // Makes the group by the two rounds of GroupBuilder over the simulated store.
  Task<> join(SimStore& store, std::string name, Plan plan = {}) {
    GroupBuilder builder(host.runtime(), messenger, {name, host.rank(), host.world().size(), {}, plan});
    std::vector<std::string> hellos, offers;
    store.set(host, name + "/hello/" + std::to_string(host.rank()), builder.hello());
    for (int rank = 0; rank < host.world().size(); ++rank) {
      const std::string key = name + "/hello/" + std::to_string(rank);
      hellos.push_back(co_await store.wait(key));
    }
    if (Status status = builder.meet(hellos); !status.ok()) throw Failure(status);
    store.set(host, name + "/offers/" + std::to_string(host.rank()), builder.offers());
    for (int rank = 0; rank < host.world().size(); ++rank) {
      const std::string key = name + "/offers/" + std::to_string(rank);
      offers.push_back(co_await store.wait(key));
    }
    std::unique_ptr<Group> group;
    if (Status status = builder.connect(offers, &group); !status.ok()) throw Failure(status);
    groups.push_back(std::move(group));
  }

  Group& group(size_t i = 0) { return *groups[i]; }

  GroupOperation& issue(Group& group, Operation::Order order, GroupCall call, std::string name) {
    GroupOperation& op =
        operations.emplace_back(group, order, std::chrono::seconds(10), std::move(call), std::move(name));
    host.submit(op);
    return op;
  }
  Task<> end(GroupOperation& op) {
    co_await finished(op);
    if (!op.status().ok()) throw Failure(op.status());
  }

  // An orderly end: the others are told, and nothing that they need is lost with this rank; not longer than ten seconds:
  // over a slow link with small pipes a large message takes more than one.
  Task<> leave() {
    // In the next pass, as in life: whoever waits outside of the executor sees an operation's end when the pass is over, and by then
    // its failure has been told.
    bool next = false;
    co_await until([&next] { return std::exchange(next, true); });
    for (auto& group : groups) group->leave();
    leaving = std::make_unique<Leave>(*this);
    host.submit(*leaving);
    co_await finished(*leaving);
  }

  struct Leave final : Operation {
    explicit Leave(SimRank& rank)
        : Operation(&rank, Order::kFree,
                    deadline_after(rank.host.executor().clock(), std::chrono::seconds(10))),
          rank(rank) {}
    Task<> body() override {
      for (auto& group : rank.groups) co_await until([&group] { return group->flushed(); });
    }
    std::string describe() const override { return "leave"; }
    SimRank& rank;
  };

  SimHost& host;
  Messenger messenger;
  std::deque<GroupOperation> operations;
  std::deque<std::unique_ptr<Group>> groups;
  std::unique_ptr<Leave> leaving;
};

}  // namespace dlslime
