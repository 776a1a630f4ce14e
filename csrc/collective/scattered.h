// Scattered: a vector whose bytes lie in several buffers, one after the other.
//
// Threads:   pure.
// Ownership: refers to the buffers and to the span that names them.
// Units:     bytes; places count from the beginning of the vector.
// Cost:      a place is found in O(log buffers); one buffer allocates nothing.
// Invariants: buffers are whole elements, so that a piece of any reduction is.
#pragma once
#include <algorithm>
#include <utility>
#include <vector>

#include "collective/parts.h"

namespace dlslime {

class Scattered {
 public:
  explicit Scattered(std::span<const Bytes> buffers) : buffers_(buffers) {
    if (buffers.size() > 1) starts_.reserve(buffers.size());
    for (const Bytes& buffer : buffers) {
      if (buffers.size() > 1) starts_.push_back(size_);
      size_ += buffer.size();
    }
  }

  size_t size() const { return size_; }
  // Empty where it lies in several.
  Bytes whole() const { return buffers_.size() == 1 ? buffers_[0] : Bytes{}; }

  // each(piece, at): what of [from, from + bytes) lies together, `at` bytes behind `from`; in order, none of them empty.
  template <class Each>
  void pieces(size_t from, size_t bytes, Each each) const {
    auto [which, into] = find(from);
    for (size_t at = 0; at < bytes; ++which, into = 0) {
      const Bytes piece = buffers_[which].subspan(into, std::min(bytes - at, buffers_[which].size() - into));
      if (!piece.empty()) each(piece, at);
      at += piece.size();
    }
  }
  void copy_out(size_t from, Bytes to) const {
    pieces(from, to.size(), [to](Bytes piece, size_t at) { copy(to.subspan(at, piece.size()), piece); });
  }
  void copy_in(size_t to, ConstBytes from) const {
    pieces(to, from.size(), [from](Bytes piece, size_t at) { copy(piece, from.subspan(at, piece.size())); });
  }

 private:
  std::pair<size_t, size_t> find(size_t place) const {  // the buffer, and where in it
    if (starts_.empty()) return {0, place};
    const size_t which = size_t(std::ranges::upper_bound(starts_, place) - starts_.begin()) - 1;
    return {which, place - starts_[which]};
  }

  std::span<const Bytes> buffers_;
  std::vector<size_t> starts_;  // of the buffers; none where there is only one
  size_t size_ = 0;
};

}  // namespace dlslime
