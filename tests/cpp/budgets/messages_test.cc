// Budgets of point-to-point messages over shared memory: rank 0 sends, rank 1 receives.
#include <sys/uio.h>
#include <unistd.h>

#include "budgets/budget.h"
#include "collective/parts.h"

namespace dlslime::budgets {
namespace {

constexpr size_t kHead = 160;         // bytes that travel with a message
constexpr size_t kSlice = 128 << 10;  // of one direct read

Task<> send(Group& group, ConstBytes bytes) {
  SendRequest request(group.channel(), 1, 0, bytes);
  group.channel().start(request);
  co_await request.done();
}

Task<> receive(Group& group, Bytes into) {
  RecvRequest request(group.channel(), 0, 0, into);
  group.channel().start(request);
  co_await request.done();
}

bool memory_can_be_read() {
  char from = 1, to = 0;
  iovec local{&to, 1}, remote{&from, 1};
  return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 1;
}

class Messages : public testing::Test {
 protected:
  static constexpr int kSender = 0, kReceiver = 1;

  // `spare`: what all of them together may do beyond the budget of each.
  static void expect(int subject, bool direct, size_t bytes, const Budget& budget, uint64_t spare = 0) {
    SCOPED_TRACE((subject == kSender ? "sending " : "receiving ") + std::to_string(bytes) + " bytes");
    Pair pair(subject, direct);
    std::vector<std::byte> mine(bytes), theirs(bytes);
    const auto half = [](std::vector<std::byte>& memory) {
      return [&memory](Group& group) {
        return group.rank() == kSender ? send(group, memory) : receive(group, memory);
      };
    };
    for (int i = 0; i < kWarmUp + kCounted && !HasFailure(); ++i) {
      Cost cost = pair.run(Operation::Order::kFree, half(mine), half(theirs));
      if (i < kWarmUp) continue;
      const uint64_t forgiven = cost.system_calls > budget.system_calls
                                    ? std::min(spare, cost.system_calls - budget.system_calls)
                                    : 0;
      spare -= forgiven;
      cost.system_calls -= forgiven;
      expect_within(cost, budget);
    }
  }
};

TEST_F(Messages, Small) {
  for (const bool direct : {true, false}) {
    for (const size_t bytes : {8, 64, 4096, 8192, 64 << 10}) {
      if (direct && bytes > 8192) continue;
      expect(kSender, direct, bytes, {.copied = bytes + 2 * kHead});
      expect(kReceiver, direct, bytes, {.copied = 2 * bytes + 2 * kHead});
    }
  }
}

// The grant, and the announcement by which the answer finds it, are entries in tables. Its key is drawn from a pool of random bytes,
// which is filled up once in 256 times.
TEST_F(Messages, LargeRead) {
  if (!memory_can_be_read()) GTEST_SKIP() << "no process may read another's memory here";
  for (const size_t bytes : {32 << 10, 512 << 10}) {
    expect(kSender, true, bytes, {.copied = 3 * kHead, .allocations = 2}, kCounted / 256 + 1);
    expect(kReceiver, true, bytes,
           {.copied = 3 * kHead, .system_calls = (bytes + kSlice - 1) / kSlice, .allocations = 1});
  }
}

TEST_F(Messages, LargePut) {
  for (const size_t bytes : {128 << 10, 1 << 20}) {
    const size_t frames = bytes / (64 << 10);
    expect(kSender, false, bytes, {.copied = bytes + (2 + frames) * kHead, .allocations = 5});
    expect(kReceiver, false, bytes, {.copied = 2 * bytes + (2 + frames) * kHead, .allocations = 4},
           kCounted / 256 + 1);
  }
}

}  // namespace
}  // namespace dlslime::budgets
