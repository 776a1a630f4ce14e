#include "base/processor.h"

namespace dlslime {

bool hands_over_fast() {
#ifdef __x86_64__
  return __builtin_cpu_is("amd");
#else
  return false;
#endif
}

}  // namespace dlslime
