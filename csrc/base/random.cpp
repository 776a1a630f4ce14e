#include "base/random.h"

#include <pthread.h>
#include <sys/random.h>

#include <array>
#include <atomic>
#include <cstring>
#include <system_error>

namespace dlslime {
namespace {

struct Buffer {
  std::array<std::byte, 4096> bytes;
  size_t used = sizeof(bytes);
  unsigned generation = 0;
};

// How many forks lie between this process and the first one: asking for the process id would be a system call for every key.
unsigned generation() {
  static std::atomic<unsigned> forks{0};
  static const int watched = pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1); });
  if (watched != 0) throw std::system_error(watched, std::generic_category(), "pthread_atfork");
  return forks.load(std::memory_order_relaxed);
}

void refill(Buffer& buffer) {
  size_t filled = 0;
  while (filled < buffer.bytes.size()) {
    const ssize_t n = getrandom(buffer.bytes.data() + filled, buffer.bytes.size() - filled, 0);
    if (n < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "getrandom");
    if (n > 0) filled += size_t(n);
  }
  buffer.used = 0;
  buffer.generation = generation();
}

}  // namespace

void fill_random(std::span<std::byte> out) {
  thread_local Buffer buffer;
  for (size_t done = 0; done < out.size();) {
    if (buffer.used == buffer.bytes.size() || buffer.generation != generation()) refill(buffer);
    const size_t n = std::min(out.size() - done, buffer.bytes.size() - buffer.used);
    std::memcpy(out.data() + done, buffer.bytes.data() + buffer.used, n);
    buffer.used += n;
    done += n;
  }
}

}  // namespace dlslime
