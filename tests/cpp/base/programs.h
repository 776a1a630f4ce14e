// Operations for the tests of the executor: a program given as a lambda, and what it left behind.
//
// Threads: as Operation.   Ownership: the lambda lives as long as the operation, so it may capture.
#pragma once
#include <functional>
#include <string>

#include "base/executor.h"

namespace dlslime::test {

class Program final : public Operation {
 public:
  using Body = std::function<Task<>()>;
  explicit Program(Body body, Scope* scope = nullptr, Order order = Order::kFree, Nanos deadline = kNever)
      : Operation(scope, order, deadline), body_(std::move(body)) {}

  Task<> body() override { return body_(); }
  std::string describe() const override { return name; }

  std::string name = "program";

 private:
  Body body_;
};

class TestScope final : public Scope {
 public:
  explicit TestScope(Executor& executor, bool poisoned = true) : executor_(executor), poisoned_(poisoned) {}
  int failures = 0;
  Status why;

 protected:
  void on_failure(const Status& status) override {
    ++failures;
    why = status;
    if (poisoned_) executor_.fail(*this, status);
  }

 private:
  Executor& executor_;
  bool poisoned_;
};

class ManualClock final : public Clock {
 public:
  Nanos now() const override { return now_; }
  void advance(Nanos by) { now_ += by; }

 private:
  Nanos now_{1000};
};

// The executor without threads: passes until nothing moves.
inline void settle(Executor& executor) {
  executor.with_token([&] {
    while (executor.pass()) {
    }
  });
}

}  // namespace dlslime::test
