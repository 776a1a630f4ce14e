#include "torch_ext/process.h"

#include <pthread.h>

#include <fstream>
#include <stdexcept>

#include "base/log.h"
#include "torch_ext/allocator.h"
#include "torch_ext/cpus.h"
#include "torch_ext/engines.h"
#include "torch_ext/member.h"

namespace dlslime {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr microseconds kSpin{2};
constexpr seconds kExitPatience{2};  // for callbacks that still run when the process exits

std::atomic<Process*> g_current{nullptr};
std::mutex& g_mutex = *new std::mutex;  // held while one is made and while the process forks

Ladder ladder_of(const Settings& settings, int local_ranks) {
  const int cpus = usable_cpus();
  const Nanos automatic = local_ranks > cpus ? Nanos{0} : Nanos{kSpin};
  return {settings.spin_us ? Nanos{microseconds(*settings.spin_us)} : automatic,
          microseconds(settings.yield_us), local_ranks >= cpus};
}

PeerInfo identity(const Settings& settings) {
  return new_identity(settings.host_id.empty() ? boot_id() : boot_id() + "/" + settings.host_id);
}

}  // namespace

std::string boot_id() {
  std::string id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
  return id;
}

Process::Process(const Settings& settings)
    : executor_(clock_, &reactor_, ladder_of(settings, 1)),
      runtime_(executor_, regions_, identity(settings)),
      messenger_(executor_, regions_),
      services_{clock_, executor_, reactor_, regions_, tensor_heap(), runtime_.self()} {
  executor_.with_token([&] { executor_.add(reactor_); });
  if (settings.threads > 0) start_progress();
  completion_.start();
}

Process& Process::current(const Settings& settings) {
  if (Process* process = g_current.load()) return *process;
  const std::lock_guard lock(g_mutex);
  if (!g_current.load()) {
    static const int registered = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    (void)registered;
    g_current.store(new Process(settings));
  }
  return *g_current.load();
}

void Process::refuse() {
  throw std::runtime_error("dlslime can't be used in a forked child: call init_process_group there");
}

// ---- engines ----

void Process::need_engines(const Settings& settings, const std::string& address) {
  std::vector<std::pair<std::string, std::string>> left_out;
  for (const std::string& name : settings.engines) {
    const Status made = executor_.with_token([&] {
      return runtime_.engine(name) ? Status() : make_engine(name, settings, address, services_, runtime_);
    });
    const std::lock_guard lock(mutex_);
    if (made.ok())
      unavailable_.erase(name);
    else if (unavailable_.emplace(name, made.what()).second)
      left_out.emplace_back(name, made.what());
  }
  for (const auto& [name, why] : left_out) log_warning("engine " + name + " is left out: " + why);
}

std::map<std::string, std::string> Process::missing() const {
  const std::lock_guard lock(mutex_);
  return unavailable_;
}

void Process::local_ranks(int count, const Settings& settings) {
  {
    const std::lock_guard lock(mutex_);
    if (count <= most_local_ranks_) return;
    most_local_ranks_ = count;
  }
  const Ladder ladder = ladder_of(settings, count);
  executor_.with_token([&] { executor_.set_ladder(ladder); });
}

void Process::listen() {
  executor_.with_token([&] {
    reactor_.sleep(Nanos{0});
    executor_.pass(false);
  });
}

void Process::start_progress() {
  const std::lock_guard lock(mutex_);
  if (dead() || progresses_.load()) return;
  executor_.start_progress_thread();
  progresses_.store(true);
}

// ---- the end ----

void Process::enlist(Member& member) {
  const std::lock_guard lock(mutex_);
  members_.insert(&member);
}

void Process::strike(Member& member) {
  const std::lock_guard lock(mutex_);
  members_.erase(&member);
}

void Process::stop() {
  {
    const std::lock_guard lock(mutex_);
    progresses_.store(true);
    for (Member* member : members_) member->leave();
  }
  executor_.poll_once();
  executor_.stop_progress_thread();
  completion_.stop(kExitPatience);
}

void Process::stop_all() {
  if (Process* process = g_current.load()) process->stop();
}

// ---- fork ----

// Nothing of ours may be half done in the copy that the child gets, and the child must be able to make a Process of its own: the
// locks are held across fork() and released on both sides, but for the executor's, which nobody touches in the child any more.
void Process::before_fork() {
  g_mutex.lock();
  if (Process* process = g_current.load()) {
    process->mutex_.lock();
    process->executor_.lock();
  }
}

void Process::after_fork_in_parent() {
  if (Process* process = g_current.load()) {
    process->executor_.unlock();
    process->mutex_.unlock();
  }
  g_mutex.unlock();
}

// The token stays taken: whatever forgets to ask dead() stops there instead of speaking for the parent. The
// descriptors go, since a socket that lives on in a child hides the parent's death from its peers.
void Process::after_fork_in_child() {
  if (Process* process = g_current.exchange(nullptr)) {
    process->dead_.store(true);
    process->reactor_.close_inherited();
    process->mutex_.unlock();
  }
  g_mutex.unlock();
}

}  // namespace dlslime
