// Scratch: memory for what others send, kept from one collective to the next and given back when the group is idle.
//
// Threads:    get() under the token; the memory itself, any.
// Ownership:  belongs to the group (or its Hierarchy); the memory is the running collective's until that ends.
// Errors:     std::bad_alloc.
// Units:      bytes; it grows to what the largest collective since the last rest needed.
// Invariants: only the collective that runs uses it, and nothing of that outlives the collective: its messages have ended by then.
#pragma once
#include <cstddef>
#include <memory>

#include "collective/when_idle.h"

namespace dlslime {

class Scratch final : public WhenIdle {
 public:
  explicit Scratch(Group& group) : WhenIdle(group) {}
  std::byte* get(size_t bytes);  // what it held before may be lost
  size_t bytes() const { return size_; }

 protected:
  bool unused() const override { return true; }
  std::pair<size_t, bool> give_back(size_t from) override;

 private:
  std::unique_ptr<std::byte[]> memory_;
  size_t size_ = 0;
};

}  // namespace dlslime
