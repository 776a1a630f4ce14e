#include "torch_ext/completion_thread.h"

#include "base/futex.h"

namespace dlslime {

void CompletionThread::start() {
  thread_ = std::thread([this] { loop(); });
}

void CompletionThread::push(Item& item) {
  item.next_ = items_.load();
  while (!items_.compare_exchange_weak(item.next_, &item)) {
  }
  if (!asleep_.load()) return;
  bell_.fetch_add(1);
  futex_wake_all(bell_);
}

bool CompletionThread::drain() {
  Item* newest = items_.exchange(nullptr);
  Item* oldest = nullptr;
  while (newest) {  // in the order of completion
    Item* next = newest->next_;
    newest->next_ = oldest;
    oldest = newest;
    newest = next;
  }
  const bool any = oldest;
  while (oldest) {
    Item* next = oldest->next_;
    oldest->settle();
    oldest = next;
  }
  return any;
}

void CompletionThread::loop() {
  while (!stop_.load()) {
    if (drain()) continue;
    const uint32_t seen = bell_.load();
    asleep_.store(true);
    if (!items_.load() && !stop_.load()) futex_wait(bell_, seen, kNever);
    asleep_.store(false);
  }
  drain();
  ended_.store(1);
  futex_wake_all(ended_);
}

bool CompletionThread::stop(Nanos patience) {
  if (!thread_.joinable()) return true;
  stop_.store(true);
  bell_.fetch_add(1);
  futex_wake_all(bell_);
  const SteadyClock clock;
  const Nanos until = clock.now() + patience;
  while (!ended_.load() && clock.now() < until) futex_wait(ended_, 0, until - clock.now());
  if (!ended_.load()) return thread_.detach(), false;
  thread_.join();
  return true;
}

}  // namespace dlslime
