// Barrier: everybody posts its line and waits for all others'. Cost: a.
#include "collective/local/local.h"

namespace dlslime::local {

Task<> barrier(LocalGroup& local, Call call) {
  co_await local.line_free(call.sequence);
  local.post(call);
  co_await local.arrived(call.sequence);
  local.verify(call);
  local.done(call.sequence);
}

}  // namespace dlslime::local
