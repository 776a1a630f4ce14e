// Group: the ranks that take part in collectives, as one of them sees it.
//
// Threads:    construction and destruction under the token; name(), rank(), size() from any; the rest under the token.
// Ownership:  owns its channel and shared pages; shares the endpoints with other groups of the same processes.
// Errors:     a failed collective, a dead peer or a peer's report fails the whole group, for good, and tells the others.
// Invariants: collectives run in issue order, one at a time, on every rank the same; point-to-point is free of that order.
#pragma once
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "collective/call.h"
#include "collective/hosts.h"
#include "collective/plan.h"
#include "collective/route.h"
#include "collective/scratch.h"
#include "engine/shared_pages.h"
#include "message/channel.h"

namespace dlslime {

class Hierarchy;
class LocalGroup;

class Group final : public Scope, public ChannelListener {
 public:
  struct Parts {
    std::string name;
    int rank = 0;
    int size = 1;
    uint64_t context = 0;
    std::vector<std::shared_ptr<Endpoint>> peers;  // by rank; null for itself
    std::unique_ptr<SharedPages> pages;            // of the ranks on this host; null: it has only this one
    std::string engines;                           // for people: the names of those in use, joined by +
    Plan plan;
    std::vector<Route> routes = {};  // by rank, for people
    Hosts hosts = {};                // which ranks share memory; none: nobody does
    std::string why_no_pages = {};   // for people: though nothing but shared memory connects them
    bool reads_private = false;      // agreed: every rank can read every other's memory, through the pages
  };
  Group(Executor& executor, Messenger& messenger, Parts parts);
  ~Group() override;

  const std::string& name() const { return parts_.name; }
  int rank() const { return parts_.rank; }
  int size() const { return parts_.size; }
  const std::string& engines() const { return parts_.engines; }
  const std::vector<Route>& routes() const { return parts_.routes; }
  const std::string& why_no_pages() const { return parts_.why_no_pages; }
  const Plan& plan() const { return parts_.plan; }
  bool reads_private() const { return parts_.reads_private; }
  // What the plan says for the vector, or the largest part, of so many bytes; kPull only where reads_private().
  Algorithm choose(CollectiveKind kind, Way way, uint64_t bytes) const {
    return reads_private() ? plan().choose(kind, way, bytes) : plan().choose_staged(kind, way, bytes);
  }
  Executor& executor() { return executor_; }
  Channel& channel() { return channel_; }
  const Channel& channel() const { return channel_; }
  const Hosts& hosts() const { return parts_.hosts; }
  std::string shape() const;                    // for people: "2 hosts x 2 ranks, shm inside, tcp between"
  LocalGroup* local() { return local_.get(); }  // null: not all ranks share memory
  Hierarchy* hierarchy() { return hierarchy_.get(); }  // null: all do, or none
  Scratch& scratch() { return scratch_; }

  // A collective begins: numbers the call and makes it the one that arrivals are compared with.
  const Call& begin(Call call);
  void end();
  bool running() const { return begun_ > finished_; }  // a collective
  // What peers read from now on of this rank's buffers is worth nothing: its collective was stopped.
  void take_back();
  const Call& current() const { return current_; }
  uint64_t finished() const { return finished_; }

  void fail(const Status& why);  // and tell the others
  void leave();                  // an orderly end: what is still active fails, the others are told
  bool flushed() const { return channel_.flushed(); }
  // Who has called a collective that this rank has not, as far as is known.
  std::vector<int> ahead() const;
  std::string missing() const;  // who is in another collective than we are, as far as is known

  void peer_failed(int rank, const Status& why, uint64_t since) override;
  Status peer_left(int rank, uint64_t finished) override;
  void unasked(int rank, const Fingerprint& fingerprint) override;
  void called(int rank, const Fingerprint& fingerprint) override;
  Status mismatch(int rank, const Fingerprint& theirs, const Fingerprint& mine) override;

 protected:
  void on_failure(const Status& why) override { fail(why); }
  void on_alarm() override { channel_.tell_call(current_.fingerprint()); }

 private:
  // Our call of the same number, as long as it is remembered.
  const Fingerprint& ours(const Fingerprint& theirs) const {
    return recent_[Call::from(theirs).sequence % kRecent];
  }
  void compare(int rank);
  bool disagrees(const Fingerprint& theirs) const;
  // In its `since`-th collective: others may still end earlier ones.
  void fail(const Status& why, uint64_t since);
  void part(const Fingerprint& theirs, const Status& why);  // we disagree about that one

  Executor& executor_;
  Parts parts_;
  Channel channel_;
  std::unique_ptr<LocalGroup> local_;
  std::unique_ptr<Hierarchy> hierarchy_;
  Scratch scratch_{*this};
  Call current_;
  static constexpr size_t kRecent = 16;
  std::array<Fingerprint, kRecent> recent_{};  // who only gives is ahead of those who wait for it
  uint32_t history_ = 0;
  uint64_t previous_ = 0;
  uint64_t begun_ = 0, finished_ = 0;
  std::vector<Fingerprint> called_;   // by rank: a collective that takes it long and has not begun here
  std::vector<uint64_t> left_after_;  // by rank; operations it finished before it left
  bool left_ = false;
  bool spared_ = false;  // failed, but the collective that runs may end
};

}  // namespace dlslime
