// Executor: runs coroutines. Whoever waits holds the token and advances every operation that can move; when nobody waits the
// progress thread does; when nothing moves everybody sleeps (design: "operations are coroutines").
//
// Threads:    submit, kick, run, wait, cancel, with_token, poll_once: any thread. The rest: under the token.
// Ownership:  operations belong to the caller until done; pollers and the sleeper outlive the executor's use of them.
// Errors:     operations end with a Status; nothing here throws. What a body, bulk work or a poller throws ends the operation, or
//             all that are active, with kInternal.
// Units:      Nanos on the given clock.
// Invariants: coroutine code runs only under the token; bulk work runs only without it. Under the token nobody blocks but the
//             sleeper; engines make system calls there, non-blocking ones, each bounded by what one pass may take.
#pragma once
#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "base/frame_pool.h"
#include "base/operation.h"
#include "base/wait.h"
#include "base/waiting_habit.h"

namespace dlslime {

// An engine's share of a pass. Under the token.
class Poller {
 public:
  virtual ~Poller() = default;
  virtual bool poll() = 0;          // true: something moved. At most ~20 us.
  virtual void about_to_sleep() {}  // tell peers that they must ring; a last poll() follows
  // Where every CPU is needed: who comes next on this one may be the rank that is waited for, or one too many.
  virtual void about_to_yield(Nanos) {}
  virtual void woke() {}
};

// The one sleeping place. The simulator has none and never sleeps.
class Sleeper {
 public:
  virtual ~Sleeper() = default;
  virtual void sleep(Nanos timeout) = 0;  // under the token, from the driving thread
  virtual void wake() = 0;                // any thread
  virtual bool stirs() const = 0;  // any thread: something has happened that sleep() would hear of at once
  // Under the token: no operation is active any more. Whoever waited has not waited in vain: what happens seldom, such as a peer's
  // death, need not be asked for.
  virtual void rest() {}
};

struct ChoreTag {};

// Something to do some time later that no operation waits for. Destroyed under the token.
class Chore : public Hook<ChoreTag> {
 public:
  virtual ~Chore() = default;

 protected:
  // Under the token, at most ~20 us. Answers when it wants its next turn: not after `now` for at once, kNever for no more.
  virtual Nanos run(Nanos now) = 0;

 private:
  friend class Executor;
  Nanos at_ = kNever;
};

// How long to wait hot before sleeping: spin (only where every rank has a core), then yield. The spin is short: where the scheduler
// has put two ranks on one core although others are free, it is time taken from the one that is waited for.
struct Ladder {
  Nanos spin{std::chrono::microseconds(2)};
  Nanos yield{std::chrono::microseconds(200)};
  bool spread = false;  // every CPU is needed: before it yields, a driver may go to one with fewer ranks
};

class Executor {
 public:
  Executor(const Clock& clock, Sleeper* sleeper, Ladder ladder);
  ~Executor();

  const Clock& clock() const { return clock_; }

  // Asynchronous: begins here if the token is free and nobody demands it. Wakes the progress thread, unless callers have the habit of
  // waiting at once for what they submit (WaitingHabit). It looks up by itself then, after 100 us to 3.2 ms, and 3.2 ms at most pass
  // until it drives what nobody waits for.
  void submit(Operation& op);
  void kick();  // wake the progress thread if there is work and nobody waits
  // Submit and wait, on this thread from start to end in the usual case.
  bool run(Operation& op, Nanos until);
  bool wait(Operation& op, Nanos until);  // true: done; false: `until` passed and the operation goes on
  void cancel(Operation& op, Status why);
  // One pass if the token is free, with one piece of bulk work (1 MiB or some 100 us); yields the CPU if nothing moved.
  void poll_once();

  // Runs `f` under the token, waiting for it if need be.
  template <class F>
  auto with_token(F f) {
    TokenHolder holder(*this);
    return f();
  }

  void start_progress_thread();
  void stop_progress_thread();

  // The token itself, for those who must stop everything (fork): with_token in two halves.
  void lock() { acquire_token(); }
  void unlock() {
    release_token();
    kick();
  }

  // --- under the token ---
  void set_ladder(Ladder ladder) { ladder_ = ladder; }
  void add(Poller& poller) { pollers_.push_back(&poller); }
  void remove(Poller& poller) { std::erase(pollers_, &poller); }
  void fail(Scope& scope, const Status& why);  // sticky: fails what is active and what comes later
  // The same, but the ordered operation that runs now may end.
  void fail_after_running(Scope& scope, const Status& why);
  void fail(Operation& op, Status why);
  // Its last word: nothing of it is active any more, nothing will be reported to it.
  void retire(Scope& scope);
  bool pass(bool with_bulk = true);  // advances whatever can move; true: something moved
  void check_deadlines();
  // Gives a chore a turn at `at` or later: by whoever drives then, or the progress thread. Without either it waits for the next that
  // drives. Chores have their turns in the order in which they asked, so that one may wait for another that asked for later.
  void later(Chore& chore, Nanos at);
  Nanos next_deadline();                                          // kNever: none
  Nanos next_chore() const { return Nanos(next_chore_.load()); }  // kNever: none
  bool idle() const { return active_count_.load() == 0; }
  List<Operation, ActiveTag>& active() { return active_; }
  uint64_t heap_allocations() const { return frames_.heap_allocations(); }
  uint64_t token_taken() const { return token_taken_; }  // how often

 private:
  friend class Wait;
  friend class Event;
  class TokenHolder {
   public:
    explicit TokenHolder(Executor& executor) : executor_(executor) { executor_.acquire_token(); }
    ~TokenHolder() {
      executor_.release_token();
      executor_.kick();
    }
    TokenHolder(const TokenHolder&) = delete;
    TokenHolder& operator=(const TokenHolder&) = delete;

   private:
    Executor& executor_;
  };

  bool wait_as_counted(Operation& op, Nanos until);  // by waiters_
  bool try_token();
  void acquire_token();
  void release_token();
  void notify();  // wakes the threads that wait for the token or for their operation
  void wait_for_token(Nanos until, const Operation* op);

  void push_inbox(Operation& op);
  bool drain_inbox();
  void accept(Operation& op);
  void begin(Operation& op);
  void settle(Operation& op);
  void finish(Operation& op, Status status);
  void start_next(Scope& scope);
  void fail(Scope& scope, const Status& why, const Operation* spared);
  Status outcome(Operation& op);
  bool report_failures();

  void enlist(Wait& wait);
  void make_ready(Wait& wait);
  bool collect_ready();
  bool resume_ready();
  bool run_bulk();
  bool poll_all();
  // What engines do, from poll() or while their driver sleeps. One that is out of memory must not take the token, or the process,
  // with it: all that is active fails.
  template <class Moves>
  bool guarded(Moves moves) {
    try {
      return moves();
    } catch (const std::exception& error) {
      fail_active(Status(Code::kInternal, std::string("moving bytes: ") + error.what()));
      return true;
    }
  }
  void fail_active(const Status& why);
  bool checked_pass(bool with_bulk);
  void run_chore(Nanos now);
  void run_chore_when_parked(uint32_t kicks);
  void drive(const Operation* op, Nanos until);
  void relax(const Ladder& ladder, Nanos& idle_since, Nanos until);
  void sleep(Nanos now, Nanos until);
  void progress_loop();
  struct Doze {  // what the progress thread remembers from look to look
    uint32_t kicks, at_once;
    Nanos until{0};
    int doublings = 0;  // of the time to the next look
    Nanos watch_at{0};
  };
  Nanos watch(Doze& doze);
  void park(Doze& doze);

  const Clock& clock_;
  Sleeper* sleeper_;
  Ladder ladder_;
  FramePool frames_;
  unsigned passes_ = 0;
  uint64_t token_taken_ = 0;
  std::vector<Poller*> pollers_;
  List<Operation, ActiveTag> active_;
  List<Wait, WaitTag> polled_, ready_, bulk_;
  List<Chore, ChoreTag> chores_;
  std::vector<std::pair<Scope*, Status>> failures_;  // to be reported to their scopes at the end of the pass

  alignas(128) std::atomic<uint32_t> token_{0};
  std::atomic<uint32_t> token_waiters_{0};  // threads asleep on notice_
  std::atomic<uint32_t> demands_{0};        // threads inside acquire_token(): a driver steps aside for them
  std::atomic<uint32_t> notice_{0};
  std::atomic<int> waiters_{0};  // threads inside wait(): the progress thread steps aside
  std::atomic<int> active_count_{0};
  std::atomic<Operation*> inbox_{nullptr};
  std::atomic<bool> asleep_{false};
  alignas(128) std::atomic<uint32_t> work_{0};
  std::atomic<uint32_t> parked_{0};
  std::atomic<bool> dozing_{false};  // parked, but it looks up by itself every now and then
  WaitingHabit habit_;
  std::atomic<int64_t> next_chore_{kNever.count()};
  std::atomic<bool> stop_{false};
  std::thread progress_;
};

}  // namespace dlslime
