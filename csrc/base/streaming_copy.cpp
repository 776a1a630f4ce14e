#include "base/streaming_copy.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#ifdef __x86_64__
#include <emmintrin.h>
#endif

namespace dlslime {
namespace {

constexpr size_t kLine = 64;

#ifdef __x86_64__
// Whole lines of an aligned destination. SSE2 belongs to every x86-64, so that there is nothing to choose at run time.
void stream_lines(std::byte* to, const std::byte* from, size_t lines) {
  for (; lines; --lines, to += kLine, from += kLine) {
    const auto* const source = reinterpret_cast<const __m128i*>(from);
    auto* const target = reinterpret_cast<__m128i*>(to);
    const __m128i a = _mm_loadu_si128(source), b = _mm_loadu_si128(source + 1);
    const __m128i c = _mm_loadu_si128(source + 2), d = _mm_loadu_si128(source + 3);
    _mm_stream_si128(target, a);
    _mm_stream_si128(target + 1, b);
    _mm_stream_si128(target + 2, c);
    _mm_stream_si128(target + 3, d);
  }
  _mm_sfence();  // else another thread could see a flag that was set after the copy before it sees the copy
}
#else
void stream_lines(std::byte* to, const std::byte* from, size_t lines) {
  std::memcpy(to, from, lines * kLine);
}
#endif

}  // namespace

void streaming_copy(void* to, const void* from, size_t bytes, size_t whole) {
  if (bytes == 0) return;
  if (whole < kStreamingCopy) {
    std::memcpy(to, from, bytes);
    return;
  }
  auto* const target = static_cast<std::byte*>(to);
  const auto* const source = static_cast<const std::byte*>(from);
  const size_t head = std::min(bytes, (kLine - reinterpret_cast<uintptr_t>(to) % kLine) % kLine);
  const size_t lines = (bytes - head) / kLine;
  const size_t tail = head + lines * kLine;
  std::memcpy(target, source, head);
  stream_lines(target + head, source + head, lines);
  std::memcpy(target + tail, source + tail, bytes - tail);
}

}  // namespace dlslime
