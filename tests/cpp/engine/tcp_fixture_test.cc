// The TCP engine in the conformance suite: two processes' halves over loopback.
#include "engine/fixture.h"
#include "engine/tcp_rig.h"

namespace dlslime::conformance {
namespace {

class TcpPair final : public EnginePair {
 public:
  TcpPair() {
    a = {&a_.executor, &a_.regions, a_.engine.get(), a_.self};
    b = {&b_.executor, &b_.regions, b_.engine.get(), b_.self};
  }
  // Cases count passes as if connections stood at once: while both sides are connecting, a pass takes as long
  // as that takes.
  bool drive() override {
    if (a_.engine->connecting() && b_.engine->connecting()) {
      test::pump({&a_, &b_}, [this] { return !a_.engine->connecting() && !b_.engine->connecting(); });
    }
    const bool moved_a = a_.pass(), moved_b = b_.pass();
    if (!moved_a && !moved_b) std::this_thread::yield();
    return true;
  }

 private:
  test::Side a_{1}, b_{2};
};

const bool joined = join_conformance({
    .name = "tcp",
    .make = [](uint64_t) { return std::make_unique<TcpPair>(); },
    .threads = true,
    .exceptions = {{"ThePeerDies",
                    "a process of its own is needed for that: see TcpConnect.AConnectionResetByThePeer"}},
});

}  // namespace
}  // namespace dlslime::conformance
