// Fifo: a queue that keeps its memory, so that a steady state allocates nothing (a std::deque takes and gives back blocks as it moves).
//
// Threads:    none of its own.   Ownership: of its elements.
// Invariants: what was pushed first is first; erase() keeps the order of the others. One that was moved from is empty.
#pragma once
#include <cstddef>
#include <utility>
#include <vector>

namespace dlslime {

template <class T>
class Fifo {
 public:
  Fifo() = default;
  Fifo(Fifo&& other) noexcept
      : items_(std::exchange(other.items_, {})), head_(std::exchange(other.head_, 0)) {}
  Fifo& operator=(Fifo&& other) noexcept {
    items_ = std::exchange(other.items_, {});
    head_ = std::exchange(other.head_, 0);
    return *this;
  }

  bool empty() const { return head_ == items_.size(); }
  size_t size() const { return items_.size() - head_; }
  T& front() { return items_[head_]; }
  auto begin() const { return items_.begin() + ptrdiff_t(head_); }
  auto end() const { return items_.end(); }

  void push_back(T item) {
    if (head_ > items_.size() / 2) drop_taken();
    items_.push_back(std::move(item));
  }
  void pop_front() {
    if (++head_ == items_.size()) drop_taken();
  }
  void erase(const T& item) {
    drop_taken();
    std::erase(items_, item);
  }

 private:
  void drop_taken() {
    items_.erase(items_.begin(), items_.begin() + ptrdiff_t(head_));
    head_ = 0;
  }
  std::vector<T> items_;
  size_t head_ = 0;  // those before it have been taken
};

}  // namespace dlslime
