// Task<T>: a coroutine; how every operation that waits is written.
//
// Threads:    resumed only under the token of the executor that runs its operation.
// Ownership:  the Task owns the frame; destroy it only when finished (an executor makes a task finish by failing its wait).
// Errors:     a Failure thrown inside leaves through the `co_await` of the parent; the root's becomes the operation's Status.
// Invariants: parameters are taken by value or refer to what the operation keeps alive (frames outlive the call).
// g++ 12:     never `if/while/switch (co_await ...)`: write `const auto v = co_await ...;` first. Checked in CI.
//             In a loop prefer awaiters to child tasks: without -O2 each child costs stack (no tail call).
#pragma once
#include <coroutine>
#include <exception>
#include <utility>

#include "base/frame_pool.h"

namespace dlslime {

class Operation;

struct PromiseBase {
  std::coroutine_handle<> parent;
  Operation* operation = nullptr;
  std::exception_ptr error;

  struct Final {
    bool await_ready() noexcept { return false; }
    template <class P>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<P> self) noexcept {
      return self.promise().parent ? self.promise().parent : std::noop_coroutine();
    }
    void await_resume() noexcept {}
  };
  std::suspend_always initial_suspend() noexcept { return {}; }
  Final final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { error = std::current_exception(); }

  static void* operator new(size_t bytes) { return FramePool::allocate(bytes); }
  static void operator delete(void* frame) { FramePool::release(frame); }
};

template <class T>
struct PromiseValue {
  T value{};
  void return_value(T v) { value = std::move(v); }
  T take() { return std::move(value); }
};
template <>
struct PromiseValue<void> {
  void return_void() {}
  void take() {}
};

template <class T = void>
class [[nodiscard]] Task {
 public:
  struct promise_type : PromiseBase, PromiseValue<T> {
    Task get_return_object() { return Task(Handle::from_promise(*this)); }
  };
  using Handle = std::coroutine_handle<promise_type>;

  Task() = default;
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      reset();
      handle_ = std::exchange(other.handle_, {});
    }
    return *this;
  }
  ~Task() { reset(); }

  explicit operator bool() const { return bool(handle_); }
  bool done() const { return handle_.done(); }
  void reset() {
    if (handle_) std::exchange(handle_, {}).destroy();
  }
  void start(Operation& operation) {
    handle_.promise().operation = &operation;
    handle_.resume();
  }
  std::exception_ptr error() const { return handle_.promise().error; }

  // As a child: starts at once by symmetric transfer, its failure is thrown here.
  bool await_ready() const noexcept { return false; }
  template <class P>
  Handle await_suspend(std::coroutine_handle<P> parent) noexcept {
    handle_.promise().parent = parent;
    handle_.promise().operation = parent.promise().operation;
    return handle_;
  }
  T await_resume() {
    if (handle_.promise().error) std::rethrow_exception(handle_.promise().error);
    return handle_.promise().take();
  }

 private:
  explicit Task(Handle handle) : handle_(handle) {}
  Handle handle_{};
};

}  // namespace dlslime
