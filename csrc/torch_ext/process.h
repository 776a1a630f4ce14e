// Process: what one operating-system process has of us: executor, engines, threads. Made at first use; never
// destroyed (threads of others may still use it while the process exits); in a forked child it is dead.
//
//   state     what holds                                              moved on by
//   --------  ------------------------------------------------------  ----------------------------------
//   alive     threads run                                             stop(), fork
//   stopped   no threads: only who waits makes progress               -
//   dead      we are in a forked child: nothing of it may be touched  -  (the next current() makes a new one)
//
// Threads:    any; what runs under the token is said at each method.
// Ownership:  a leaked static; groups and works refer to it.
// Errors:     std::runtime_error where it is dead.
// Invariants: no thread of ours takes the GIL while it holds the token.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "base/executor.h"
#include "base/reactor.h"
#include "engine/runtime.h"
#include "engine/services.h"
#include "message/messenger.h"
#include "torch_ext/completion_thread.h"
#include "torch_ext/config.h"

namespace dlslime {

class Member;

class Process {
 public:
  // The process's own; the first caller's settings decide what is decided once (identity, interface,
  // threads).
  static Process& current(const Settings& settings);
  static void stop_all();  // at exit, without the GIL

  bool dead() const { return dead_.load(std::memory_order_relaxed); }
  void check_alive() const {
    if (dead()) [[unlikely]]
      refuse();
  }

  Executor& executor() { return executor_; }
  Runtime& runtime() { return runtime_; }
  Messenger& messenger() { return messenger_; }
  CompletionThread& completion() { return completion_; }

  // Makes those of `settings.engines` that do not exist yet; `address`: where others reach this host.
  void need_engines(const Settings& settings, const std::string& address);
  std::map<std::string, std::string> missing() const;  // engines asked for that could not be made -> why

  // Somebody waits in a way that does not drive (a future, a hook, polling): the progress thread runs from now on, whatever
  // `threads` says.
  void need_progress() {
    if (!progresses_.load(std::memory_order_relaxed)) [[unlikely]]
      start_progress();
  }

  // For who waits outside of any operation: hears of dead peers, too, which passes look for now and then only.
  void listen();

  // More ranks on this host than CPUs: spinning would keep the one away that is waited for.
  void local_ranks(int count, const Settings& settings);

  void enlist(Member& member);
  void strike(Member& member);
  // Under the token: shows every group there is; none, if somebody is just changing that.
  template <class F>
  void look_at_members(F f) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock) return;
    for (Member* member : members_) f(*member);
  }

 private:
  explicit Process(const Settings& settings);
  [[noreturn]] static void refuse();
  void start_progress();
  void stop();
  static void before_fork();
  static void after_fork_in_parent();
  static void after_fork_in_child();

  std::atomic<bool> dead_{false};
  std::atomic<bool> progresses_{false};  // or never will again
  const SteadyClock clock_;
  Reactor reactor_;
  Executor executor_;
  RegionTable regions_;
  Runtime runtime_;
  Messenger messenger_;
  CompletionThread completion_;
  const Services services_;

  mutable std::mutex mutex_;
  std::map<std::string, std::string> unavailable_;  // engine -> why
  std::set<Member*> members_;
  int most_local_ranks_ = 0;
};

std::string boot_id();

}  // namespace dlslime
