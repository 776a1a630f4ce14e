#include "torch_ext/completion_thread.h"

#include <exception>
#include <string>
#include <thread>
#include <utility>

#include "base/futex.h"
#include "base/log.h"

namespace dlslime {

using std::chrono::milliseconds;

namespace {
constexpr Nanos kHeldUp = milliseconds(2);  // who settles one item for so long is taken to be blocked
constexpr int kMostThreads = 16;
constexpr Nanos kSoon = std::chrono::microseconds(100);  // a shorter call has waited for nothing long
thread_local CompletionThread::Own* t_own = nullptr;  // its address tells threads apart, as long as they live
}  // namespace

CompletionThread::Own::Own(CompletionThread& completion)
    : completion_(completion), outer_(std::exchange(t_own, this)), began_(completion.clock_.now()) {}

CompletionThread::Own::~Own() {
  t_own = outer_;
  if (!first_) return;
  const bool soon = completion_.clock_.now() - began_ < kSoon;
  while (Item* item = first_) {
    first_ = item->next_;
    if (soon && item->quiet())
      item->settle();
    else
      completion_.enqueue(*item);
  }
}

const void* CompletionThread::this_thread() { return &t_own; }

void CompletionThread::push(Item& item, bool calls_out) {
  item.calls_out_ = calls_out;
  if (!t_own || calls_out || item.submitter_ != this_thread()) return enqueue(item);
  item.next_ = nullptr;
  *std::exchange(t_own->end_, &item.next_) = &item;
}

void CompletionThread::enqueue(Item& item) {
  item.next_ = items_.load();
  while (!items_.compare_exchange_weak(item.next_, &item)) {
  }
  if (!asleep_.load()) return;
  bell_.fetch_add(1);
  futex_wake_all(bell_);
}

void CompletionThread::add_thread() {
  ++threads_;
  try {
    std::thread([this] { loop(); }).detach();
  } catch (...) {
    --threads_;
    throw;
  }
}

// Where the system makes no more threads, those that are there go on alone.
void CompletionThread::try_to_add_thread() {
  try {
    add_thread();
  } catch (const std::exception& error) {
    log_warning_once("completion threads", std::string("no second thread to complete futures: ") +
                                               error.what() +
                                               "; a callback that blocks holds up those behind it");
  }
}

void CompletionThread::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const bool last = stop_.load();
    collect();
    if (may_settle()) {
      settle_one(lock);
    } else if (last) {
      break;
    } else {
      rest(lock);
    }
  }
  if (--threads_ > 0) return;
  ended_.store(1);
  futex_wake_all(ended_);
}

void CompletionThread::collect() {
  const size_t before = queue_.size();
  for (Item* newest = items_.exchange(nullptr); newest; newest = newest->next_) {
    queue_.insert(queue_.begin() + ptrdiff_t(before), newest);  // the newest ends up last
  }
}

bool CompletionThread::may_settle() {
  return !queue_.empty() && (settling_ == 0 || clock_.now() - last_began_ >= kHeldUp);
}

void CompletionThread::settle_one(std::unique_lock<std::mutex>& lock) {
  Item* item = queue_.front();
  queue_.pop_front();
  ++settling_;
  last_began_ = clock_.now();
  if (item->calls_out_ && settling_ == threads_ && threads_ < kMostThreads) try_to_add_thread();
  lock.unlock();
  item->settle();
  lock.lock();
  --settling_;
}

void CompletionThread::rest(std::unique_lock<std::mutex>& lock) {
  const uint32_t seen = bell_.load();
  const Nanos limit = queue_.empty() ? kNever : kHeldUp;
  lock.unlock();
  asleep_.fetch_add(1);
  if (!items_.load() && !stop_.load()) futex_wait(bell_, seen, limit);
  asleep_.fetch_sub(1);
  lock.lock();
}

bool CompletionThread::stop(Nanos patience) {
  stop_.store(true);
  bell_.fetch_add(1);
  futex_wake_all(bell_);
  const Nanos until = clock_.now() + patience;
  for (Nanos now = clock_.now(); !ended_.load() && now < until; now = clock_.now())
    futex_wait(ended_, 0, until - now);
  return ended_.load();
}

}  // namespace dlslime
