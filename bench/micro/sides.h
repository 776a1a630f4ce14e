// Two processes as an engine sees them, in this one, connected and driven by turns: what a message costs both ends together, on one
// core.
//
// Threads: one.   Ownership: a Sides owns both.   Errors: throws Failure where the engine can't be made.
#pragma once
#include <memory>
#include <span>

#include "base/reactor.h"
#include "engine/runtime.h"
#include "engine/shm/shm_engine.h"
#include "engine/tcp/tcp_engine.h"

namespace dlslime::micro {

struct Counter final : EndpointHandler {
  uint64_t messages = 0;
  void message(Endpoint&, std::span<const std::byte>) override { ++messages; }
  void landed(Endpoint&, uint64_t) override {}
  void writable(Endpoint&) override {}
  void down(Endpoint&, const Status& why) override { throw Failure(why); }
};

template <class SomeEngine>
struct Side {
  SteadyClock clock;
  Reactor reactor;
  Executor executor{clock, &reactor, Ladder{}};
  RegionTable regions;
  PeerInfo self = new_identity("this host");
  std::unique_ptr<SomeEngine> engine;
  Counter seen;
  std::unique_ptr<Endpoint> endpoint;
  std::string offer;

  Side() {
    const Status made = SomeEngine::create({}, {clock, executor, reactor, regions, self}, &engine);
    if (!made.ok()) throw Failure(made);
    self.addresses[std::string(engine->name())] = engine->address();
    executor.with_token([this] {
      executor.add(reactor);
      executor.add(*engine);
    });
  }
  ~Side() {
    executor.with_token([this] {
      endpoint.reset();
      executor.remove(*engine);
      executor.remove(reactor);
      engine.reset();
    });
  }
  bool pass() {
    return executor.with_token([this] { return executor.pass(); });
  }
};

template <class SomeEngine>
struct Sides {
  Side<SomeEngine> a, b;

  Sides() {
    prepare(a, b);
    prepare(b, a);
    a.endpoint = a.executor.with_token([&] { return a.engine->connect(b.self, 1, b.offer, a.seen); });
    b.endpoint = b.executor.with_token([&] { return b.engine->connect(a.self, 1, a.offer, b.seen); });
  }
  // From a to b; returns when b has it.
  void send(std::span<const std::byte> bytes) {
    const uint64_t wanted = b.seen.messages + 1;
    while (!a.executor.with_token([&] { return a.endpoint->post(bytes, {}); })) drive();
    while (b.seen.messages < wanted) drive();
  }
  void drive() {
    a.pass();
    b.pass();
  }

 private:
  static void prepare(Side<SomeEngine>& mine, Side<SomeEngine>& other) {
    mine.executor.with_token([&] {
      Status can = mine.engine->reach(other.self);
      if (can.ok()) can = mine.engine->offer(other.self, 1, &mine.offer);
      if (!can.ok()) throw Failure(can);
    });
  }
};

}  // namespace dlslime::micro
