// What the cases of the conformance suite share: two connected players, their records, and patience.
//
// Threads: one.   Units: bytes.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/fixture.h"

namespace dlslime::conformance {

inline constexpr uint8_t kGuard = 0xA5;

std::vector<std::byte> pattern(size_t size, uint64_t salt);

struct TestSegment final : Segment {
  TestSegment(std::span<std::byte> memory, const RemoteRegion& to, uint64_t at = 0, uint64_t tell = 0) {
    local = memory, remote = to, offset = at, notify = tell;
  }
  void completed(Status status) override {
    EXPECT_FALSE(inside_call) << "completed() from inside put(), get() or post()";
    ++completions;
    result = std::move(status);
    if (then) then();
  }
  bool done() const { return completions > 0; }

  int completions = 0;
  Status result;
  std::function<void()> then;
  static inline bool inside_call = false;  // put(), get() or post() is on the stack
};

// Memory with a guard on both sides; those must never change.
class Guarded {
 public:
  static constexpr size_t kMargin = 64;
  explicit Guarded(size_t size) : bytes_(size + 2 * kMargin, std::byte(kGuard)), size_(size) {}
  std::span<std::byte> span() { return std::span(bytes_).subspan(kMargin, size_); }
  bool holds(std::span<const std::byte> expected, size_t at = 0) {
    return std::ranges::equal(span().subspan(at, expected.size()), expected);
  }
  bool untouched() const { return untouched(0, bytes_.size()); }
  bool guards_intact() const { return untouched(0, kMargin) && untouched(kMargin + size_, bytes_.size()); }

 private:
  bool untouched(size_t from, size_t to) const {
    for (size_t i = from; i < to; ++i) {
      if (bytes_[i] != std::byte(kGuard)) return false;
    }
    return true;
  }
  std::vector<std::byte> bytes_;
  size_t size_;
};

class Player final : public EndpointHandler {
 public:
  explicit Player(Side& side) : side_(side) {}
  std::string offer(const Side& to, uint64_t link = 0);
  void connect(const Side& to, const std::string& offer, uint64_t link = 0);

  bool post(std::string_view head, std::string_view body = {});
  void put(TestSegment& segment);
  void get(TestSegment& segment);
  void cancel(TestSegment& segment);
  void leave();
  Grant grant(std::span<std::byte> memory, Rights rights);
  void revoke(Grant& grant);

  void message(Endpoint& from, std::span<const std::byte> bytes) override;
  void landed(Endpoint& from, uint64_t notify) override;
  void writable(Endpoint&) override { ++writables; }
  void down(Endpoint&, const Status& why) override { downs.push_back(why); }

  Side& side() { return side_; }
  std::unique_ptr<Endpoint> endpoint;
  std::vector<std::string> messages;
  std::vector<uint64_t> notified;
  std::vector<Status> downs;
  int writables = 0;
  std::function<void(std::string_view)> on_message;
  std::function<void(uint64_t)> on_landed;

 private:
  template <class F>
  auto under_token(F f);  // unless we are inside a callback, which is

  Side& side_;
  bool inside_callback_ = false;
};

// One connected pair; the order of members is the order of life.
struct Table {
  explicit Table(std::unique_ptr<EnginePair> p) : pair(std::move(p)), a(pair->a), b(pair->b) {}
  void connect();
  // False: patience ran out, or nothing can happen any more.
  bool drive_until(const std::function<bool()>& done);
  void drive(int passes);
  bool settled();  // both connections stand and are empty

  std::unique_ptr<EnginePair> pair;
  Player a, b;
};

class Conformance : public testing::TestWithParam<EngineFixture> {
 protected:
  // Runs the case once for every seed of the fixture, on a fresh connected pair; skips what the engine cannot
  // do.
  void each(const std::function<void(Table&)>& body);
  void each_unconnected(const std::function<void(Table&)>& body);
  const std::string* excepted();  // the reason why this engine is spared this case; null: it is not
};

}  // namespace dlslime::conformance
