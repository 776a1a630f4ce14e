// The half of the executor that knows threads: the token, waiting, sleeping, the progress thread.
#include <sched.h>

#include <algorithm>
#include <utility>

#include "base/executor.h"
#include "base/futex.h"

namespace dlslime {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {
// A sleeper looks at deadlines, aborts and dead peers at least this often, in case a bell is lost.
constexpr Nanos kLongestSleep = milliseconds(50);
// The progress thread shares the CPUs with those who compute while it waits: it does not burn them.
constexpr Ladder kBackground{Nanos{0}, microseconds(5)};
// When a dozing progress thread looks up, and how long after the last wait at once it sleeps fast. A look takes 20 us from whoever
// runs on its CPU (a virtual machine's timer): each that finds more such waits doubles the time to the next.
constexpr Nanos kDoze = microseconds(100), kDozeFor = milliseconds(2);
constexpr int kMostDoublings = 5;
// How often the parked thread hears what has happened meanwhile: operations that never wait make no system call, and their peers
// may have died.
constexpr Nanos kWatch = seconds(1);
// What is heard may take several passes until everybody knows: a broken link is found by reading, and told at the next turn.
constexpr int kWatchPasses = 16;
// Deadlines are looked at after so many busy passes even if something always moves.
constexpr unsigned kPassesBetweenChecks = 256;

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}
}  // namespace

Executor::Executor(const Clock& clock, Sleeper* sleeper, Ladder ladder)
    : clock_(clock), sleeper_(sleeper), ladder_(ladder) {}

Executor::~Executor() { stop_progress_thread(); }

// ---- the token ----

bool Executor::try_token() {
  if (token_.load(std::memory_order_relaxed) || token_.exchange(1, std::memory_order_acquire)) return false;
  ++token_taken_;
  return true;
}

void Executor::release_token() {
  token_.store(0, std::memory_order_seq_cst);
  if (token_waiters_.load(std::memory_order_seq_cst)) notify();
}

void Executor::notify() {
  notice_.fetch_add(1);
  futex_wake_all(notice_);
}

void Executor::wait_for_token(Nanos until, const Operation* op) {
  // The sleeper serves those who wait for their operation; it must hear of new ones, and of who demands the token itself.
  if (sleeper_ && asleep_.load() && (!op || inbox_.load())) sleeper_->wake();
  const uint32_t seen = notice_.load();
  token_waiters_.fetch_add(1);
  const Nanos left = std::min<Nanos>(until - clock_.now(), milliseconds(1));
  if (!token_.load()) {
    sched_yield();  // free, but demanded by another
  } else if (!(op && op->done()) && left.count() > 0) {
    futex_wait(notice_, seen, left);
  }
  token_waiters_.fetch_sub(1);
}

void Executor::acquire_token() {
  if (try_token()) return;
  demands_.fetch_add(1);
  for (int spins = 0; !try_token(); ++spins) {
    if (spins < 50) {
      pause_cpu();
    } else {
      wait_for_token(kNever, nullptr);
    }
  }
  demands_.fetch_sub(1);
}

void Executor::kick() {
  if (!parked_.load() || idle() || waiters_.load()) return;
  work_.fetch_add(1);
  futex_wake_all(work_);
}

// ---- callers ----

void Executor::submit(Operation& op) {
  const Nanos began = clock_.now();
  op.stamp_ = WaitingHabit::submitted(began);
  push_inbox(op);
  if (!demands_.load() && try_token()) {
    checked_pass(false);
    release_token();
  } else if (sleeper_ && asleep_.load()) {
    sleeper_->wake();
  }
  if (!dozing_.load()) kick();
  WaitingHabit::spent(clock_.now() - began);
}

// Counted first: the progress thread may look at this moment, and it leaves alone what somebody waits for.
bool Executor::run(Operation& op, Nanos until) {
  waiters_.fetch_add(1);
  push_inbox(op);
  return wait_as_counted(op, until);
}

bool Executor::wait(Operation& op, Nanos until) {
  waiters_.fetch_add(1);
  const Nanos began = clock_.now();
  if (habit_.late(op.stamp_, began)) dozing_.store(false);
  const bool done = wait_as_counted(op, until);
  WaitingHabit::spent(clock_.now() - began);
  return done;
}

bool Executor::wait_as_counted(Operation& op, Nanos until) {
  while (!op.done()) {
    if (!demands_.load() && try_token()) {
      drive(&op, until);
      release_token();
    } else {
      wait_for_token(until, &op);
    }
    if (until != kNever && clock_.now() >= until) break;
  }
  waiters_.fetch_sub(1);
  if (!dozing_.load()) kick();
  return op.done();
}

// Who polls in a loop may be keeping the progress thread, or the rank that is waited for, from its CPU.
void Executor::poll_once() {
  bool moved = false;
  if (try_token()) {
    moved = pass();
    check_deadlines();
    release_token();
    kick();
  }
  if (!moved) sched_yield();
}

void Executor::cancel(Operation& op, Status why) {
  with_token([&] {
    drain_inbox();
    if (!op.done()) fail(op, std::move(why));
  });
}

// ---- driving ----

// Also where short operations follow each other without a pause, the deadlines of others count.
bool Executor::checked_pass(bool with_bulk) {
  const bool moved = pass(with_bulk);
  if (moved && ++passes_ % kPassesBetweenChecks == 0) check_deadlines();
  return moved;
}

void Executor::drive(const Operation* op, Nanos until) {
  Nanos idle_since{0};
  while (op ? !op->done() : (!idle() && !waiters_.load() && !stop_.load())) {
    // A driver holds the token for as long as its operation takes: who wants to abort that operation is let in. Our caller
    // comes back, unless another drives by then, who may finish our operation.
    if (demands_.load(std::memory_order_relaxed)) break;
    if (checked_pass(true)) {
      idle_since = Nanos{0};
    } else {
      relax(op ? ladder_ : kBackground, idle_since, until);
    }
    if (until != kNever && clock_.now() >= until) break;
  }
}

void Executor::relax(const Ladder& ladder, Nanos& idle_since, Nanos until) {
  const Nanos now = clock_.now();
  if (idle_since.count() == 0) idle_since = now;
  const Nanos idle_for = now - idle_since;
  if (idle_for < ladder.spin) {
    for (int i = 0; i < 4; ++i) pause_cpu();
  } else if (idle_for < ladder.spin + ladder.yield) {
    if (ladder.spread) {
      for (Poller* poller : pollers_) poller->about_to_yield(now);
    }
    sched_yield();
  } else {
    sleep(now, until);
    idle_since = clock_.now() - ladder.spin;  // woken: yield a little before sleeping again
  }
}

void Executor::sleep(Nanos now, Nanos until) {
  check_deadlines();
  asleep_.store(true);
  for (Poller* poller : pollers_) poller->about_to_sleep();
  if (!pass() && !inbox_.load() && !demands_.load()) {
    const Nanos left = std::min({until, next_deadline(), now + kLongestSleep}) - clock_.now();
    if (left.count() > 0) guarded([&] { return sleeper_->sleep(left), true; });
  }
  for (Poller* poller : pollers_) poller->woke();
  asleep_.store(false);
}

// ---- the progress thread ----

void Executor::start_progress_thread() {
  progress_ = std::thread([this] { progress_loop(); });
}

void Executor::stop_progress_thread() {
  if (!progress_.joinable()) return;
  stop_.store(true);
  work_.fetch_add(1);
  futex_wake_all(work_);
  if (sleeper_) sleeper_->wake();
  progress_.join();
}

// Until there is work that nobody waits for. Where callers have just waited at once for what they had submitted, it dozes for a while:
// the next need not wake it.
void Executor::park(Doze& doze) {
  parked_.store(1);
  while (!stop_.load()) {
    const uint32_t kicks_before = std::exchange(doze.kicks, work_.load());
    const uint32_t at_once_before = std::exchange(doze.at_once, habit_.in_a_row());
    const bool kicked = doze.kicks != kicks_before;
    const bool habit = habit_.formed(), just_came = habit && doze.at_once != at_once_before;
    if (just_came) doze.until = clock_.now() + kDozeFor;
    const bool dozes = habit && clock_.now() < doze.until;
    dozing_.store(dozes);  // before the look at what there is: who submits has looked at it after
    // The last look before the longest rest is not put off any more: all rests before it are as long as that one together.
    const bool put_off = dozes && just_came && !kicked && doze.doublings + 1 < kMostDoublings;
    doze.doublings = dozes && just_came ? std::min(doze.doublings + 1, kMostDoublings) : 0;
    if (!put_off && !idle() && !waiters_.load()) break;
    const Nanos chore(next_chore_.load());
    Nanos rest = dozes ? kDoze * (1 << doze.doublings) : kNever;
    if (chore != kNever && !dozes) rest = std::clamp(chore - clock_.now(), Nanos{0}, rest);
    rest = std::min(rest, watch(doze));
    if (rest.count() > 0) futex_wait(work_, doze.kicks, rest);
    // A chore can wait until things are calm.
    if (chore != kNever && !dozes) run_chore_when_parked(doze.kicks);
  }
  dozing_.store(false);
  parked_.store(0);
}

// When it is time, and how long until it is again. Who drives hears by itself. Nearly always there is nothing, and the token is left
// to those who call.
Nanos Executor::watch(Doze& doze) {
  if (!sleeper_) return kNever;
  const Nanos now = clock_.now();
  if (now < doze.watch_at) return doze.watch_at - now;
  doze.watch_at = now + kWatch;
  if (sleeper_->stirs() && !waiters_.load() && !demands_.load() && try_token()) {
    guarded([this] { return sleeper_->sleep(Nanos{0}), true; });
    for (int passes = 0; passes < kWatchPasses && pass(false); ++passes) {
    }
    release_token();
  }
  return kWatch;
}

// Who drives has enough to do: it is asked again a little later.
void Executor::run_chore_when_parked(uint32_t kicks) {
  const Nanos now = clock_.now();
  if (now.count() < next_chore_.load()) return;
  if (!waiters_.load() && !demands_.load() && try_token()) {
    run_chore(now);
    release_token();
  } else {
    futex_wait(work_, kicks, milliseconds(10));
  }
}

void Executor::later(Chore& chore, Nanos at) {
  chore.at_ = at;
  chores_.push_back(chore);
  if (at.count() >= next_chore_.load() || chores_.front() != &chore) return;
  next_chore_.store(at.count());
  if (!parked_.load()) return;
  work_.fetch_add(1);  // it sleeps without an end
  futex_wake_all(work_);
}

void Executor::progress_loop() {
  Doze doze{work_.load(), habit_.in_a_row()};
  while (!stop_.load()) {
    park(doze);
    if (stop_.load()) return;
    if (waiters_.load()) continue;
    acquire_token();
    drive(nullptr, kNever);
    release_token();
  }
}

}  // namespace dlslime
