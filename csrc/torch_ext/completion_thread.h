// CompletionThread: where futures are completed and the last references of tensors are dropped: both may take the GIL, so neither
// may happen under the executor's token.
//
// Threads:    push() from any, under the token too: it neither blocks nor allocates. One thread of ours runs the items.
// Ownership:  an item belongs to the queue from push() until settle() is called, which may destroy it.
// Errors:     none.
// Invariants: settle() is called once per push(), with no lock held.
#pragma once
#include <atomic>
#include <cstdint>
#include <thread>

#include "base/clock.h"

namespace dlslime {

class CompletionThread {
 public:
  class Item {
   public:
    virtual ~Item() = default;
    virtual void settle() noexcept = 0;

   private:
    friend class CompletionThread;
    Item* next_ = nullptr;
  };

  void start();
  void push(Item& item);
  // Settles what is queued, then ends the thread. False: it did not end in time (a callback blocks) and was left alone.
  bool stop(Nanos patience);

 private:
  void loop();
  bool drain();

  std::atomic<Item*> items_{nullptr};  // newest first
  std::atomic<uint32_t> bell_{0};
  std::atomic<bool> asleep_{false}, stop_{false};
  std::atomic<uint32_t> ended_{0};
  std::thread thread_;
};

}  // namespace dlslime
