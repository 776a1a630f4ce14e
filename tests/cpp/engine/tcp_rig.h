// A process as the TCP engine sees it (Side), and two of them connected over loopback (Pair), for tests.
//
// Threads: a Side is driven by pump() on the test's thread, or by its own Driver; everything else goes
// through token().
#pragma once
#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "engine/tcp/tcp_engine.h"
#include "gtest/gtest.h"

namespace dlslime::test {

class MovableClock final : public Clock {
 public:
  Nanos now() const override { return steady_.now() + Nanos(ahead_.load()); }
  void advance(Nanos by) { ahead_ += by.count(); }

 private:
  SteadyClock steady_;
  std::atomic<int64_t> ahead_{0};
};

struct Recorder final : EndpointHandler {
  std::vector<std::string> messages;
  std::vector<uint64_t> notified;
  std::vector<Status> downs;
  int writables = 0;
  bool keep = true;
  std::function<void(std::span<const std::byte>)> on_message;
  std::function<void()> on_down, on_writable;

  void message(Endpoint&, std::span<const std::byte> bytes) override {
    if (keep) messages.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (on_message) on_message(bytes);
  }
  void landed(Endpoint&, uint64_t notify) override { notified.push_back(notify); }
  void writable(Endpoint&) override {
    ++writables;
    if (on_writable) on_writable();
  }
  void down(Endpoint&, const Status& why) override {
    downs.push_back(why);
    if (on_down) on_down();
  }
};

struct TestSegment final : Segment {
  int completions = 0;
  Status result;
  std::function<void()> on_completed;
  TestSegment() = default;
  TestSegment(std::span<std::byte> memory, const RemoteRegion& region, uint64_t at = 0, uint64_t tell = 0) {
    local = memory, remote = region, offset = at, notify = tell;
  }
  void completed(Status status) override {
    ++completions;
    result = std::move(status);
    if (on_completed) on_completed();
  }
};

// `rank` goes in front of the id: the lower one calls.
inline PeerInfo identity(int rank) {
  PeerInfo info;
  info.id = std::string(1, char('0' + rank)) + std::string(31, 'a');
  info.secret.resize(32);
  fill_random(std::as_writable_bytes(std::span(info.secret)));
  return info;
}

struct Side {
  MovableClock clock;
  Reactor reactor;
  Executor executor{clock, &reactor, Ladder{Nanos(0), std::chrono::microseconds(50)}};
  RegionTable regions;
  SharedHeap heap;
  PeerInfo self;
  std::unique_ptr<TcpEngine> engine;
  Recorder seen;
  std::unique_ptr<Endpoint> endpoint;

  template <class F>
  auto token(F f) {
    return executor.with_token(f);
  }

  explicit Side(int rank, TcpEngine::Options options = {}) : self(identity(rank)) {
    const Status made = TcpEngine::create(options, {clock, executor, reactor, regions, heap, self}, &engine);
    EXPECT_TRUE(made.ok()) << made.to_string();
    self.addresses["tcp"] = engine->address();
    token([this] { executor.add(reactor), executor.add(*engine); });
  }
  ~Side() {
    token([this] {
      endpoint.reset();
      executor.remove(*engine), executor.remove(reactor);
      engine.reset();
    });
  }
  bool pass() {
    return token([this] { return executor.pass(); });
  }
  void connect(const PeerInfo& peer, uint64_t link = 0) {
    token([&] {
      std::string offer;
      ASSERT_TRUE(engine->offer(peer, link, &offer).ok());
      endpoint = engine->connect(peer, link, offer, seen);
    });
  }
  bool post(const std::string& head, const std::string& body = {}) {
    return token(
        [&] { return endpoint->post(std::as_bytes(std::span(head)), std::as_bytes(std::span(body))); });
  }
  void put(Segment& segment) {
    token([&] { endpoint->put(segment); });
  }
  void get(Segment& segment) {
    token([&] { endpoint->get(segment); });
  }
};

inline constexpr auto kPatience = std::chrono::seconds(60);  // only a broken engine needs it

// Drives the sides in turn until `done`; false: patience ran out.
inline bool pump(std::initializer_list<Side*> sides, const std::function<bool()>& done) {
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  while (!done()) {
    bool moved = false;
    for (Side* side : sides) moved |= side->pass();
    if (!moved) std::this_thread::yield();
    if (std::chrono::steady_clock::now() > give_up) return false;
  }
  return true;
}

struct Pair {
  Side a{1}, b{2};
  Pair() { a.connect(b.self), b.connect(a.self); }
  bool pump(const std::function<bool()>& done) { return test::pump({&a, &b}, done); }
  // Both connections stand when this message has come back.
  bool settle() {
    a.post("ping"), b.post("pong");
    const bool both = pump([&] { return !a.seen.messages.empty() && !b.seen.messages.empty(); });
    a.seen.messages.clear(), b.seen.messages.clear();
    return both;
  }
};

// Drives one side from a thread of its own.
class Driver {
 public:
  explicit Driver(Side& side)
      : thread_([this, &side] {
          while (!stop_) {
            if (!side.pass()) std::this_thread::yield();
          }
        }) {}
  ~Driver() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

inline std::vector<std::byte> random_bytes(size_t size) {
  std::vector<std::byte> bytes(size);
  fill_random(bytes);
  return bytes;
}

}  // namespace dlslime::test
