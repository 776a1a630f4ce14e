#include "base/executor.h"

#include <sched.h>

#include <algorithm>

#include "base/futex.h"

namespace dlslime {

using std::chrono::milliseconds;

namespace {

std::string too_late(const Deadline& deadline) {
  if (deadline.allowed.count() == 0) return "the operation's deadline passed";
  const auto given = std::chrono::round<milliseconds>(deadline.allowed);
  return "the operation was not done within " + std::to_string(given.count()) + " ms";
}

}  // namespace

// ---- waits ----

void Wait::suspend(std::coroutine_handle<> handle, Operation* operation) {
  handle_ = handle;
  operation_ = operation;
  operation->wait_ = this;
  operation->executor_->enlist(*this);
}

void Wait::resume_or_throw() {
  if (!failed_) return;
  Status why = std::exchange(operation_->injected_, {});
  // Also where another rank's report ends the wait: who reports first need not be who knows best, but may know as much.
  const std::string missing = waiting_for();
  if (!missing.empty() && why.what().find(missing) == std::string::npos) {
    why = Status(why.code(), why.what() + "; " + missing).at_peer(why.peer()).via(why.engine());
  }
  throw Failure(std::move(why));
}

void Wait::wake() { operation_->executor_->make_ready(*this); }

void Event::set() {
  set_ = true;
  if (Waiter* waiter = std::exchange(waiter_, nullptr)) waiter->wake();
}

void Executor::enlist(Wait& wait) {
  if (!wait.operation_->injected_.ok()) {
    wait.failed_ = true;
    return make_ready(wait);
  }
  if (wait.kind_ == Wait::Kind::kPolled) polled_.push_back(wait);
  if (wait.kind_ == Wait::Kind::kBulk) bulk_.push_back(wait);
}

void Executor::make_ready(Wait& wait) { ready_.push_back(wait); }

// ---- one pass ----

bool Executor::collect_ready() {
  bool any = false;
  for (Wait* wait = polled_.front(); wait;) {
    Wait* next = polled_.next(*wait);
    if (wait->ready()) {
      make_ready(*wait);
      any = true;
    }
    wait = next;
  }
  return any;
}

bool Executor::resume_ready() {
  bool any = false;
  while (Wait* wait = ready_.pop_front()) {
    Operation& op = *wait->operation_;
    op.wait_ = nullptr;
    wait->handle_.resume();
    settle(op);
    any = true;
  }
  return any;
}

bool Executor::run_bulk() {
  Wait* wait = bulk_.pop_front();
  if (!wait) return false;
  wait->in_bulk_ = true;
  if (sleeper_) release_token();
  Status thrown;
  try {
    wait->run();
  } catch (const std::exception& error) {
    thrown = Status(Code::kInternal, error.what());
  }
  if (sleeper_) acquire_token();
  wait->in_bulk_ = false;
  if (!thrown.ok() && wait->operation_->injected_.ok()) wait->operation_->injected_ = std::move(thrown);
  if (!wait->operation_->injected_.ok()) wait->failed_ = true;
  make_ready(*wait);
  return true;
}

bool Executor::poll_all() {
  bool moved = false;
  for (Poller* poller : pollers_) moved |= guarded([poller] { return poller->poll(); });
  return moved;
}

void Executor::fail_active(const Status& why) {
  std::vector<Operation*> all;
  for (Operation* op = active_.front(); op; op = active_.next(*op)) all.push_back(op);
  for (Operation* op : all) fail(*op, why);
}

bool Executor::pass(bool with_bulk) {
  FramePool::Use frames(frames_);
  bool moved = drain_inbox();
  moved |= collect_ready();
  moved |= resume_ready();
  moved |= poll_all();
  moved |= resume_ready();
  // Before the token is given away: who sees an operation failed may leave its group.
  moved |= report_failures();
  if (with_bulk && run_bulk()) moved = resume_ready() || true;
  moved |= report_failures();
  return moved;
}

// ---- operations ----

void Executor::push_inbox(Operation& op) {
  op.executor_ = this;
  active_count_.fetch_add(1);
  op.inbox_next_ = inbox_.load();
  while (!inbox_.compare_exchange_weak(op.inbox_next_, &op)) {
  }
}

bool Executor::drain_inbox() {
  if (!inbox_.load(std::memory_order_relaxed)) return false;
  Operation* reversed = inbox_.exchange(nullptr);
  Operation* first = nullptr;
  while (reversed) {
    Operation* next = reversed->inbox_next_;
    reversed->inbox_next_ = first;
    first = reversed;
    reversed = next;
  }
  while (first) {
    Operation* next = first->inbox_next_;
    accept(*first);
    first = next;
  }
  return true;
}

void Executor::accept(Operation& op) {
  active_.push_back(op);
  Scope* scope = op.scope_;
  if (scope && op.order_ == Operation::Order::kOrdered) {
    if (scope->running_ || scope->reporting_) return scope->queue_.push_back(op);
    scope->running_ = &op;
  }
  begin(op);
}

void Executor::begin(Operation& op) {
  if (op.scope_ && !op.scope_->failed_.ok()) return finish(op, op.scope_->failed_);
  if (!op.injected_.ok()) return finish(op, op.injected_);
  try {
    op.task_ = op.body();
  } catch (const std::exception& error) {  // no memory for the frame
    return finish(op, Status(Code::kInternal, error.what()));
  }
  op.task_.start(op);
  settle(op);
}

void Executor::settle(Operation& op) {
  if (op.task_ && op.task_.done()) finish(op, outcome(op));
}

Status Executor::outcome(Operation& op) {
  if (!op.task_.error()) return {};
  // The cause: what the task has run into since it was told may follow from it.
  if (!op.injected_.ok()) return op.injected_;
  try {
    std::rethrow_exception(op.task_.error());
  } catch (const Failure& failure) {
    return failure.status();
  } catch (const std::exception& error) {
    return {Code::kInternal, error.what()};
  }
}

void Executor::finish(Operation& op, Status status) {
  op.task_.reset();
  op.status_ = std::move(status);
  static_cast<Hook<ActiveTag>&>(op).unlink();
  static_cast<Hook<QueueTag>&>(op).unlink();
  Scope* scope = op.scope_;
  const bool was_running = scope && scope->running_ == &op;
  const bool news = scope && (scope->failed_.ok() || scope->spared_ == &op);
  if (news && !op.status_.ok() && op.order_ == Operation::Order::kOrdered) {
    failures_.emplace_back(scope, op.status_);
    scope->reporting_ = true;
  }
  if (scope && scope->spared_ == &op) scope->spared_ = nullptr;
  if (active_count_.fetch_sub(1) == 1 && sleeper_) sleeper_->rest();
  op.finished();
  if (was_running) start_next(*scope);
  if (token_waiters_.load()) notify();
}

void Executor::start_next(Scope& scope) {
  scope.running_ = nullptr;
  if (scope.starting_) return;  // the loop below goes on: thousands of failed ones must not recurse
  scope.starting_ = true;
  while (!scope.running_ && !scope.reporting_) {
    scope.running_ = scope.queue_.pop_front();
    if (!scope.running_) break;
    begin(*scope.running_);
  }
  scope.starting_ = false;
}

// ---- failure ----

bool Executor::report_failures() {
  bool any = false;
  for (size_t i = 0; i < failures_.size(); ++i) {  // a report may add more
    auto [scope, status] = failures_[i];
    any = true;
    if (!scope) continue;
    scope->on_failure(status);
    scope->reporting_ = false;
    if (!scope->running_) start_next(*scope);
  }
  failures_.clear();
  return any;
}

void Executor::retire(Scope& scope) {
  drain_inbox();
  fail(scope, Status(Code::kClosed, "the group was destroyed"));
  FramePool::Use frames(frames_);
  resume_ready();
  for (auto& [reported, status] : failures_) {
    if (reported == &scope) reported = nullptr;
  }
}

void Executor::fail(Scope& scope, const Status& why) { fail(scope, why, nullptr); }

void Executor::fail_after_running(Scope& scope, const Status& why) { fail(scope, why, scope.running_); }

void Executor::fail(Scope& scope, const Status& why, const Operation* spared) {
  if (scope.failed_.ok()) scope.failed_ = why;
  scope.spared_ = spared;
  std::vector<Operation*> hit;
  for (Operation* op = active_.front(); op; op = active_.next(*op)) {
    if (op->scope_ == &scope && op != spared) hit.push_back(op);
  }
  for (Operation* op : hit) fail(*op, why);
}

void Executor::fail(Operation& op, Status why) {
  if (!op.injected_.ok()) return;
  if (!op.task_) {  // still queued behind another one of its scope, or being begun
    op.injected_ = std::move(why);
    if (static_cast<Hook<QueueTag>&>(op).linked()) finish(op, op.injected_);
    return;
  }
  Wait* wait = op.wait_;
  op.injected_ = std::move(why);
  if (!wait || wait->in_bulk_) return;  // thrown when the work returns
  // If what it waits for is there, it goes on (now: a predicate may turn false again) and is failed at its next wait.
  wait->failed_ = wait->kind_ == Wait::Kind::kBulk || !wait->ready();
  make_ready(*wait);
}

void Executor::check_deadlines() {
  const Nanos now = clock_.now();
  for (Operation* op = active_.front(); op;) {
    Operation* next = active_.next(*op);
    Scope* scope = op->scope_;
    if (op->deadline() <= now) fail(*op, Status(Code::kTimeout, too_late(op->deadline_)));
    if (scope && scope->alarm_ <= now) {
      scope->alarm_ = kNever;
      scope->on_alarm();
    }
    op = next;
  }
  report_failures();  // of what was queued still: its scope hears of it before its owner can leave
  run_chore(now);
}

// One a time, for each may take a while.
void Executor::run_chore(Nanos now) {
  if (next_chore_.load(std::memory_order_relaxed) > now.count()) return;
  if (Chore* chore = chores_.front(); chore && chore->at_ <= now) {
    chore->at_ = chore->run(now);
    if (chore->at_ > now) chore->unlink();
    if (chore->at_ > now && chore->at_ != kNever) chores_.push_back(*chore);
  }
  Chore* first = chores_.front();
  next_chore_.store(first ? first->at_.count() : kNever.count());
}

Nanos Executor::next_deadline() {
  Nanos soonest(next_chore_.load(std::memory_order_relaxed));
  for (Operation* op = active_.front(); op; op = active_.next(*op))
    soonest = std::min({soonest, op->deadline(), op->scope_ ? op->scope_->alarm_ : kNever});
  return soonest;
}

}  // namespace dlslime
