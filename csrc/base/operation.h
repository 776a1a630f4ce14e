// Operation: one issued operation, the root of its coroutine.   Scope: operations that fail together.
//
// Threads:    done() and status() from any thread; the stamp from who submits and then waits; everything else under the executor's
//             token.
// Ownership:  the caller (or Work) owns the operation and keeps it until done(); the executor never touches it afterwards.
// Errors:     status() after done().
//
//   state        what holds                                             moved on by
//   -----------  -----------------------------------------------------  -------------------------------
//   new          nobody knows it                                        Executor::submit / run
//   queued       in its scope's queue: an earlier ordered one is        the earlier one's end, deadline, failure
//                active, or has failed unheard of
//   active       its coroutine has started; suspended at `wait_`         its wait becoming ready or failing
//   done         status() is valid, its frames are gone                 -
#pragma once
#include <atomic>
#include <string>

#include "base/clock.h"
#include "base/list.h"
#include "base/status.h"
#include "base/task.h"
#include "base/waiting_habit.h"

namespace dlslime {

class Executor;
class Operation;
class Wait;

struct ActiveTag {};
struct QueueTag {};

// What fails together (a group). Ordered operations of one scope run one at a time, in issue order.
class Scope {
 public:
  virtual ~Scope() = default;
  const Status& failed() const { return failed_; }
  Nanos alarm() const { return alarm_; }

 protected:
  // Under the token, in the pass in which an ordered operation ended in failure, of a scope that had not failed or had let that one
  // go on: the scope decides whether that poisons it, by Executor::fail, and tells others.
  virtual void on_failure(const Status&) {}
  // Under the token, once, when the clock has passed alarm_ while an operation of the scope was active.
  virtual void on_alarm() {}
  Nanos alarm_ = kNever;

 private:
  friend class Executor;
  Status failed_;
  Operation* running_ = nullptr;
  const Operation* spared_ = nullptr;  // goes on though the scope has failed
  bool starting_ = false;              // start_next() is on the stack
  bool reporting_ = false;  // an ordered one has failed; no other begins before on_failure() has decided
  List<Operation, QueueTag> queue_;
};

class Operation : public Hook<ActiveTag>, public Hook<QueueTag> {
 public:
  enum class Order : uint8_t { kFree, kOrdered };
  Operation(Scope* scope, Order order, Deadline deadline)
      : deadline_(deadline), scope_(scope), order_(order) {}
  virtual ~Operation() = default;

  virtual Task<> body() = 0;                 // called under the token when its turn comes
  virtual std::string describe() const = 0;  // "all_reduce #12 of group 0"

  bool done() const { return done_.load(std::memory_order_acquire); }
  const Status& status() const { return status_; }
  Nanos deadline() const { return deadline_.at; }
  Scope* scope() const { return scope_; }
  bool running() const { return bool(task_); }

 protected:
  // Under the token, as the very last touch: must end in mark_done(). May hand the operation to a completion queue.
  virtual void finished() noexcept { mark_done(); }
  // Before the look at who waits: a waiter counts itself, and looks at this then; one of the two sees the other.
  void mark_done() noexcept { done_.store(true, std::memory_order_seq_cst); }

 private:
  friend class Executor;
  friend class Wait;

  std::atomic<bool> done_{false};
  const Deadline deadline_;
  Scope* scope_;
  Order order_;
  Executor* executor_ = nullptr;
  Wait* wait_ = nullptr;  // where the coroutine is suspended
  Status injected_;       // a failure that its wait must throw
  Status status_;
  Task<> task_;
  Operation* inbox_next_ = nullptr;
  WaitingHabit::Stamp stamp_;
};

}  // namespace dlslime
