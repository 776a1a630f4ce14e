// ScriptedEndpoint: records what is said and posted through it. Nothing arrives: the test speaks for the peer.
//
// Threads: one.   Ownership: segments stay their poster's.   Invariants: the recorded segments are those not cancelled.
#pragma once
#include <cstring>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "message/wire.h"

namespace dlslime {

class ScriptedEndpoint final : public Endpoint {
 public:
  explicit ScriptedEndpoint(std::string name = "scripted") : name_(std::move(name)) {}

  bool post(std::span<const std::byte> head, std::span<const std::byte>) override {
    std::memcpy(&heads.emplace_back(), head.data(), sizeof(MessageHead));
    return true;
  }
  void put(Segment& segment) override { puts.push_back(&segment); }
  void get(Segment& segment) override { gets.push_back(&segment); }
  void cancel(Segment& segment) override {
    std::erase(puts, &segment);
    std::erase(gets, &segment);
  }
  bool written() const override { return true; }
  bool flushed() const override { return true; }
  const Status& state() const override { return state_; }
  std::string_view engine() const override { return name_; }

  std::vector<MessageHead> heads;
  std::vector<Segment*> puts, gets;

 private:
  const std::string name_;
  const Status state_;
};

}  // namespace dlslime
