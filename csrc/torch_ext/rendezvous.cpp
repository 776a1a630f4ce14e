#include "torch_ext/rendezvous.h"

#include <algorithm>
#include <map>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "base/log.h"
#include "collective/group_builder.h"
#include "torch_ext/engines.h"
#include "torch_ext/errors.h"
#include "torch_ext/interrupt.h"
#include "torch_ext/jobs.h"

namespace dlslime {

using std::chrono::microseconds;
using std::chrono::milliseconds;

namespace {

// A store's own wait can't be interrupted, and complains aloud when it is cut short: ask again and again
// instead.
constexpr microseconds kFirstPause{200};
constexpr microseconds kLongestPause{10'000};

// By global rank: torch counts groups by rank, so that groups which have no rank in common may have one name, and one prefix in the
// store, at the same time.
std::string key(const char* round, uint64_t global_rank) {
  return std::string("dlslime/") + round + "/" + std::to_string(global_rank);
}

// Where peers reach this host: the address that leads to the store's host. Empty: the store is a file or
// memory.
std::string address_towards(StorePtr store) {
  if (auto* prefixed = dynamic_cast<c10d::PrefixStore*>(store.get()))
    store = prefixed->getUnderlyingNonPrefixStore();
  const auto* server = dynamic_cast<c10d::TCPStore*>(store.get());
  return server ? route_to(server->getHost()) : std::string();
}

class Rounds {
 public:
  Rounds(const Invitation& invitation, Process& process)
      : in_(invitation),
        process_(process),
        clock_(process.executor().clock()),
        deadline_(deadline_after(clock_, invitation.timeout)) {}

  Deadline deadline() const { return {deadline_, in_.timeout}; }

  // Publishes this rank's blob and answers everybody's.
  std::vector<std::string> exchange(const char* round, const std::string& mine) {
    std::vector<std::string> keys, blobs;
    for (int rank = 0; rank < in_.size; ++rank) keys.push_back(key(round, in_.global_ranks.at(rank)));
    lost_since_.clear();
    ask([&] { in_.store->set(keys[size_t(in_.rank)], std::vector<uint8_t>(mine.begin(), mine.end())); });
    for (size_t rank = 0; rank < keys.size(); ++rank) wait_for(keys, rank);
    for (const auto& blob : ask([&] { return in_.store->multiGet(keys); }))
      blobs.emplace_back(blob.begin(), blob.end());
    return blobs;
  }

  void forget() {
    try {
      for (const char* round : {"hello", "offers"})
        in_.store->deleteKey(key(round, in_.global_ranks.at(in_.rank)));
    } catch (const std::exception& error) {  // a store that can't: its keys must not be used twice
      log_debug(std::string("the store keeps its keys: ") + error.what());
    }
  }

  std::string where() const {
    return "creating group " + in_.name + " on rank " + in_.global_ranks.name(in_.rank) + " of " +
           std::to_string(in_.size);
  }

 private:
  template <class F>
  auto ask(F call) const -> decltype(call()) {
    try {
      return call();
    } catch (const c10::DistNetworkError& error) {
      throw_if_failed(Status(Code::kLinkLost, error.what_without_backtrace()), "the store, while " + where());
      throw;
    }
  }

  bool has(const std::string& key) const {
    return ask([&] { return in_.store->check({key}); });
  }

  void wait_for(const std::vector<std::string>& keys, size_t rank) {
    for (microseconds pause = kFirstPause; !has(keys[rank]); pause = std::min(2 * pause, kLongestPause)) {
      if (interrupted()) rethrow_interrupt();
      give_up_on_the_lost(keys, rank);
      if (clock_.now() >= deadline_) throw_if_failed(Status(Code::kTimeout, missing(keys)), where());
      std::this_thread::sleep_for(pause);
    }
  }

  // Who died as a member of another group will not come to this one. Who was cut off may have died, or find another way.
  void give_up_on_the_lost(const std::vector<std::string>& keys, size_t from) {
    std::map<uint64_t, Member::Sighting> seen;
    process_.listen();
    process_.executor().with_token([&] {
      process_.look_at_members([&](const Member& member) {
        if (member.world() == in_.world.get()) member.add_sightings(&seen);
      });
    });
    for (size_t rank = from; rank < keys.size(); ++rank) {
      const Member::Sighting& of = seen[in_.global_ranks.at(int(rank))];
      const bool dead = of.lost.code() == Code::kPeerDied;
      if (of.lost.ok() || (of.reached && !dead) || has(keys[rank])) {
        lost_since_.erase(rank);
        continue;
      }
      const Nanos now = clock_.now(), since = lost_since_.try_emplace(rank, now).first->second;
      if (!dead && now - since < in_.settings.connect_timeout) continue;
      throw_if_failed(of.lost.during("rank " + in_.global_ranks.name(int(rank)) + " has not come"), where());
    }
  }

  std::string missing(const std::vector<std::string>& keys) {
    std::string ranks;
    int count = 0;
    for (size_t rank = 0; rank < keys.size(); ++rank) {
      if (has(keys[rank])) continue;
      ranks += (count++ ? ", " : "") + in_.global_ranks.name(int(rank));
    }
    return "after " + std::to_string(in_.timeout.count()) + " ms rank" + (count > 1 ? "s " : " ") + ranks +
           (count > 1 ? " have" : " has") + " not come";
  }

  const Invitation& in_;
  Process& process_;
  const Clock& clock_;
  const Nanos deadline_;
  std::map<size_t, Nanos> lost_since_;  // by rank, in this round
};

int count_local(const std::vector<std::string>& hellos) {
  const std::string here = boot_id();
  int count = 0;
  for (const std::string& hello : hellos) {
    Blob blob;
    PeerInfo peer;
    if (unpack(hello, &blob).ok() && PeerInfo::decode(blob["peer"], &peer).ok())
      count += peer.host.starts_with(here);
  }
  return count;
}

void shake_hands(const std::shared_ptr<Member>& member, uint64_t phase, const Rounds& rounds) {
  TORCH_CHECK(member->enter(), "dlslime: the group was destroyed while it was made");
  HandshakeJob job(member, rounds.deadline(), phase);
  Executor& executor = member->executor();
  bool done = executor.run(job, executor.clock().now() + milliseconds(kInterruptIntervalMs));
  bool stopped = false;
  while (!done && !(stopped = interrupted())) {
    done = executor.wait(job, executor.clock().now() + milliseconds(kInterruptIntervalMs));
  }
  if (stopped) {
    executor.cancel(job, Status(Code::kAborted, "interrupted by a signal"));
    executor.wait(job, kNever);
    rethrow_interrupt();
  }
  const std::string more = job.elsewhere().empty() ? "" : "; " + job.elsewhere();
  throw_if_failed(job.status().ok() ? Status() : Status(job.status().code(), job.status().what() + more),
                  rounds.where());
}

// A builder of groups lives under the token.
class Building {
 public:
  Building(const Invitation& in, Process& process) : executor_(process.executor()) {
    const GroupBuilder::Spec spec{in.name,          in.rank,          in.size, in.settings.engines,
                                  in.settings.plan, process.missing()};
    executor_.with_token(
        [&] { builder_ = std::make_unique<GroupBuilder>(process.runtime(), process.messenger(), spec); });
  }
  ~Building() {
    executor_.with_token([&] { builder_.reset(); });
  }
  Building(const Building&) = delete;
  Building& operator=(const Building&) = delete;

  template <class Step>
  auto run(Step step) {
    return executor_.with_token([&] { return step(*builder_); });
  }

 private:
  Executor& executor_;
  std::unique_ptr<GroupBuilder> builder_;
};

// Both rounds of what the ranks tell each other over the store.
std::unique_ptr<Group> connect(const Invitation& in, Process& process, Rounds& rounds) {
  Building building(in, process);
  const std::vector<std::string> hellos =
      rounds.exchange("hello", building.run([](GroupBuilder& builder) { return builder.hello(); }));
  process.local_ranks(count_local(hellos), in.settings);
  throw_if_failed(building.run([&](GroupBuilder& builder) { return builder.meet(hellos); }), rounds.where());
  const std::vector<std::string> offers =
      rounds.exchange("offers", building.run([](GroupBuilder& builder) { return builder.offers(); }));
  std::unique_ptr<Group> group;
  throw_if_failed(building.run([&](GroupBuilder& builder) { return builder.connect(offers, &group); }),
                  rounds.where());
  for (const Notice& notice : building.run([](GroupBuilder& builder) { return builder.notices(); }))
    log_warning_once(notice.key, notice.text);
  return group;
}

}  // namespace

StorePtr world_of(const StorePtr& store) {
  StorePtr world = store;
  while (auto* prefixed = dynamic_cast<c10d::PrefixStore*>(world.get())) {
    StorePtr inner = prefixed->getUnderlyingStore();
    if (!dynamic_cast<c10d::PrefixStore*>(inner.get())) break;
    world = std::move(inner);
  }
  return world;
}

std::shared_ptr<Member> rendezvous(const Invitation& in) {
  in.settings.check();
  Process& process = Process::current(in.settings);
  Rounds rounds(in, process);
  process.need_engines(in.settings, address_towards(in.store));
  const auto member =
      std::make_shared<Member>(process, connect(in, process, rounds), in.global_ranks, in.world.get());
  shake_hands(member, 0, rounds);
  rounds.forget();
  shake_hands(member, 1, rounds);
  return member;
}

}  // namespace dlslime
