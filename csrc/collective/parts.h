// Cutting vectors into chunks and shards, alike on every rank.
//
// Threads: pure.   Units: bytes.   Invariants: parts cover the whole, in order, without overlap; shards end on cache lines.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

namespace dlslime {

using Bytes = std::span<std::byte>;
using ConstBytes = std::span<const std::byte>;

// Nothing happens where both are the same memory (in-place calls).
inline void copy(Bytes to, ConstBytes from) {
  if (!from.empty() && to.data() != from.data()) std::memcpy(to.data(), from.data(), from.size());
}

// What a rank does between two waits, for all its peers together: copies of more bytes, and folds that read more, give the token away
// meanwhile (bulk_if).
inline constexpr size_t kLargeCopy = 32 << 10, kLargeFold = 128 << 10;

// What is copied, read or folded in one piece of bulk work: longer ones are cut, so that an abort, a deadline, another operation or
// who polls is seen in between.
inline constexpr size_t kBulkBytes = 1 << 20;

// How many steps of `piece` bytes a vector takes, and what step i moves.
inline size_t steps_for(size_t total, size_t piece) { return (total + piece - 1) / piece; }
template <class Span>
Span part(Span whole, size_t i, size_t piece) {
  const size_t from = std::min(whole.size(), i * piece);
  return whole.subspan(from, std::min(piece, whole.size() - from));
}

// What rank `rank` of `parts` is responsible for.
inline size_t shard_bytes(size_t whole, int parts) { return (whole / size_t(parts) + 63) / 64 * 64; }
// No shard of a vector of so many bytes, or of fewer, is larger: the last one has what rounding left over.
inline size_t most_in_shard(size_t whole, int parts) {
  return shard_bytes(whole, parts) + (size_t(parts) + 62) / 64 * 64;
}
template <class Span>
Span shard(Span whole, int parts, int rank) {
  const size_t each = shard_bytes(whole.size(), parts);
  const size_t from = std::min(whole.size(), each * size_t(rank));
  const size_t end = rank == parts - 1 ? whole.size() : std::min(whole.size(), from + each);
  return whole.subspan(from, end - from);
}

inline size_t largest(std::span<const Bytes> parts) {
  size_t size = 0;
  for (const Bytes& part : parts) size = std::max(size, part.size());
  return size;
}
inline size_t largest(std::span<const ConstBytes> parts) {
  size_t size = 0;
  for (const ConstBytes& part : parts) size = std::max(size, part.size());
  return size;
}

}  // namespace dlslime
