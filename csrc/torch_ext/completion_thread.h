// CompletionThread: where futures are completed and the last references of tensors are dropped: both may take
// the GIL, so neither may happen under the executor's token.
//
//   One thread settles, in the order of completion (what Own leaves to it: 50 ms later at most). A callback
//   may block, even for a future that only we can complete (DDP's PowerSGD hook does): before the first one
//   is called a second thread is started, and it takes over when the first is held up.
//
// Threads:    push() from any, under the token too: it neither blocks nor allocates.
// Ownership:  an item belongs to the queue from push() until settle() is called, which may destroy it. Never
//             destroyed itself.
// Errors:     none.
// Invariants: settle() is called once per push(), with no lock held, and never inside push().
#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>

#include "base/clock.h"

namespace dlslime {

class CompletionThread {
 public:
  class Item {
   public:
    virtual ~Item() = default;
    virtual void settle() noexcept = 0;

   protected:
    virtual bool quiet() noexcept = 0;  // there is nothing to it but references to drop

   private:
    friend class CompletionThread;
    Item* next_ = nullptr;
    bool calls_out_ = false;
    const void* const submitter_ = this_thread();  // who makes an item submits it
  };

  // While one lives, what its thread has submitted and finishes is left to it. When this goes soon, it settles what is quiet: to wake a
  // thread for that would cost more than a small operation. The rest is queued, and all of it after a longer time: who drops a
  // tensor may run a finalizer, which must not come between a long wait and its signals or its timeout.
  class Own {
   public:
    explicit Own(CompletionThread& completion);
    ~Own();
    Own(const Own&) = delete;
    Own& operator=(const Own&) = delete;

   private:
    friend class CompletionThread;
    CompletionThread& completion_;
    Own* const outer_;
    const Nanos began_;
    Item* first_ = nullptr;
    Item** end_ = &first_;
  };

  void start() { add_thread(); }
  void push(Item& item, bool calls_out);  // calls_out: to callbacks of others
  // Settles what is queued, then ends the threads. False: they did not end in time (a callback blocks) and
  // were left alone.
  bool stop(Nanos patience);

 private:
  static const void* this_thread();
  void enqueue(Item& item);
  void add_thread();
  void try_to_add_thread();
  void loop();
  void collect();
  bool may_settle();
  void settle_one(std::unique_lock<std::mutex>& lock);
  void rest(std::unique_lock<std::mutex>& lock);

  const SteadyClock clock_;
  std::atomic<Item*> items_{nullptr};  // newest first
  std::atomic<uint32_t> bell_{0};
  std::atomic<int> asleep_{0};
  std::atomic<bool> stop_{false};
  std::atomic<uint32_t> ended_{0};  // all threads
  std::mutex mutex_;                // of what follows
  std::deque<Item*> queue_;
  int threads_ = 0, settling_ = 0;
  Nanos last_began_{0};
};

}  // namespace dlslime
