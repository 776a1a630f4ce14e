// copy_own: a rank's own part, from its input to its output, which no engine moves.
//
// Threads: awaited under the token; large copies run without it (design: nobody holds the token longer than ~20 us).
#pragma once
#include "base/task.h"
#include "base/wait.h"
#include "collective/parts.h"

namespace dlslime {

inline Task<> copy_own(Bytes to, ConstBytes from) {
  constexpr size_t kUnderToken = 32 << 10;
  if (from.size() <= kUnderToken) {
    copy(to, from);
  } else {
    co_await bulk([to, from] { copy(to, from); });
  }
}

}  // namespace dlslime
