// The leaf waits of a coroutine: until(predicate), Event, bulk(work), bulk_if(large, work).
//
// Threads:    under the executor's token, except bulk work, which runs with the token released.
// Errors:     a deadline, abort or peer death reaches the suspended coroutine here, as a thrown Failure.
// g++ 12:     a lambda written inside the `co_await` expression must have trivially destructible captures.
#pragma once
#include <coroutine>
#include <string>
#include <type_traits>
#include <utility>

#include "base/list.h"
#include "base/operation.h"

namespace dlslime {

struct WaitTag {};

class Wait : public Hook<WaitTag> {
 public:
  Wait() = default;
  virtual ~Wait() = default;
  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;

 protected:
  friend class Executor;
  virtual bool ready() = 0;
  // Added to a failure's text: "rank 2 has not arrived".
  virtual std::string waiting_for() const { return {}; }
  virtual void run() {}  // bulk work only

  void suspend(std::coroutine_handle<> handle, Operation* operation);
  void resume_or_throw();  // the common part of await_resume
  void wake();             // resumed at the executor's next pass

  enum class Kind : uint8_t { kPolled, kSignalled, kBulk };
  Kind kind_ = Kind::kPolled;

 private:
  std::coroutine_handle<> handle_;
  Operation* operation_ = nullptr;
  bool failed_ = false;
  bool in_bulk_ = false;
};

template <class Derived>
class Awaiter : public Wait {
 public:
  bool await_ready() { return ready(); }
  template <class P>
  void await_suspend(std::coroutine_handle<P> handle) {
    suspend(handle, handle.promise().operation);
  }
  void await_resume() { resume_or_throw(); }
};

// Polled: for predicates over words that other processes write.
template <class Predicate>
class Until final : public Awaiter<Until<Predicate>> {
  static_assert(std::is_trivially_destructible_v<Predicate>, "capture by reference or trivial values only");

 public:
  explicit Until(Predicate predicate) : predicate_(predicate) {}

 protected:
  bool ready() override { return predicate_(); }

 private:
  Predicate predicate_;
};
template <class Predicate>
Until<Predicate> until(Predicate predicate) {
  return Until<Predicate>(predicate);
}

// Signalled: costs nothing while it waits. One waiter at a time; set() resumes it at the executor's next pass.
class Event {
 public:
  bool is_set() const { return set_; }
  void set();
  void clear() { set_ = false; }

  class Waiter final : public Awaiter<Waiter> {
   public:
    explicit Waiter(Event& event) : event_(event) { kind_ = Kind::kSignalled; }
    ~Waiter() override {
      if (event_.waiter_ == this) event_.waiter_ = nullptr;
    }
    bool await_ready() { return event_.set_; }
    template <class P>
    void await_suspend(std::coroutine_handle<P> handle) {
      event_.waiter_ = this;
      suspend(handle, handle.promise().operation);
    }

   protected:
    bool ready() override { return event_.set_; }

   private:
    friend class Event;
    Event& event_;
  };
  Waiter wait() { return Waiter(*this); }

 private:
  bool set_ = false;
  Waiter* waiter_ = nullptr;
};

// Work above some 10 us: runs with the token released, so that other operations and deadlines still move. Small work of bulk_if()
// is done on the spot.
template <class Work>
class Bulk final : public Awaiter<Bulk<Work>> {
  static_assert(std::is_trivially_destructible_v<Work>, "capture by reference or trivial values only");

 public:
  Bulk(bool large, Work work) : large_(large), work_(work) { this->kind_ = Wait::Kind::kBulk; }
  bool await_ready() {
    if (!large_) run();
    return finished_;
  }

 protected:
  bool ready() override { return finished_; }
  void run() override {
    work_();
    finished_ = true;
  }

 private:
  const bool large_;
  Work work_;
  bool finished_ = false;
};
template <class Work>
Bulk<Work> bulk(Work work) {
  return {true, work};
}
template <class Work>
Bulk<Work> bulk_if(bool large, Work work) {
  return {large, work};
}

}  // namespace dlslime
