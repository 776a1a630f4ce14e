// copy_own: a rank's own part, from its input to its output, which no engine moves. To be awaited under the token.
#pragma once
#include "base/wait.h"
#include "collective/parts.h"

namespace dlslime {

inline auto copy_own(Bytes to, ConstBytes from) {
  return bulk_if(from.size() > kLargeCopy, [to, from] { copy(to, from); });
}

}  // namespace dlslime
