// Unguessable bytes, from the operating system (getrandom), handed out from a small buffer.
//
// Threads: any (the buffer is per thread; a forked child starts a new one).
#pragma once
#include <cstddef>
#include <span>

namespace dlslime {

void fill_random(std::span<std::byte> out);

template <class T>
T random_value() {
  T value{};
  fill_random(std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

}  // namespace dlslime
