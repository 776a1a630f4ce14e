// The conformance suite's frame: which engines, which exceptions, how two players meet. The cases are in
// conformance_*_test.cc.
#include "engine/conformance.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "support/seeds.h"

namespace dlslime::conformance {
namespace {

std::vector<EngineFixture>& registry() {
  static std::vector<EngineFixture> all;
  return all;
}

// Prints what every engine cannot do, when all has run.
bool is_a_case(const std::string& name) {
  const auto* unit = testing::UnitTest::GetInstance();
  for (int s = 0; s < unit->total_test_suite_count(); ++s) {
    const auto* suite = unit->GetTestSuite(s);
    for (int t = 0; t < suite->total_test_count(); ++t) {
      const std::string test = suite->GetTestInfo(t)->name();
      if (test.substr(0, test.find('/')) == name) return true;
    }
  }
  return false;
}

class Exceptions final : public testing::Environment {
 public:
  void TearDown() override {
    for (const EngineFixture& fixture : registry()) {
      for (const auto& [name, reason] : fixture.exceptions) {
        EXPECT_TRUE(is_a_case(name)) << fixture.name << " excepts " << name << ", which is no case";
        std::printf("exception: engine %s, %s: %s\n", fixture.name.c_str(), name.c_str(), reason.c_str());
      }
    }
  }
};
const auto* const exceptions = testing::AddGlobalTestEnvironment(new Exceptions);

constexpr auto kPatience = std::chrono::seconds(60);  // only a broken engine needs it

}  // namespace

bool join_conformance(EngineFixture fixture) {
  registry().push_back(std::move(fixture));
  return true;
}

const std::vector<EngineFixture>& fixtures() {
  std::ranges::sort(registry(), {}, &EngineFixture::name);  // whatever the linker's order
  return registry();
}

std::vector<std::byte> pattern(size_t size, uint64_t salt) {
  std::vector<std::byte> bytes(size);
  uint64_t state = salt * 0x9E3779B97F4A7C15u + 1;
  for (std::byte& byte : bytes) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    byte = std::byte(state >> 56);
  }
  return bytes;
}

// ---- Player ----

template <class F>
auto Player::under_token(F f) {
  if (inside_callback_) return f();
  return side_.executor->with_token(f);
}

std::string Player::offer(const Side& to, uint64_t link) {
  return under_token([&] {
    const Status reached = side_.engine->reach(to.info);
    EXPECT_TRUE(reached.ok()) << reached.to_string();
    std::string offer;
    const Status offered = side_.engine->offer(to.info, link, &offer);
    EXPECT_TRUE(offered.ok()) << offered.to_string();
    return offer;
  });
}

void Player::connect(const Side& to, const std::string& offer, uint64_t link) {
  under_token([&] { endpoint = side_.engine->connect(to.info, link, offer, *this); });
}

bool Player::post(std::string_view head, std::string_view body) {
  return under_token([&] {
    TestSegment::inside_call = true;
    const bool taken = endpoint->post(std::as_bytes(std::span(head)), std::as_bytes(std::span(body)));
    TestSegment::inside_call = false;
    return taken;
  });
}

void Player::put(TestSegment& segment) {
  under_token([&] {
    TestSegment::inside_call = true;
    endpoint->put(segment);
    TestSegment::inside_call = false;
  });
}

void Player::get(TestSegment& segment) {
  under_token([&] {
    TestSegment::inside_call = true;
    endpoint->get(segment);
    TestSegment::inside_call = false;
  });
}

void Player::cancel(TestSegment& segment) {
  under_token([&] { endpoint->cancel(segment); });
}

void Player::leave() {
  under_token([&] { endpoint.reset(); });
}

Grant Player::grant(std::span<std::byte> memory, Rights rights) {
  return under_token([&] { return Grant(*side_.regions, memory, rights); });
}

void Player::revoke(Grant& grant) {
  under_token([&] { grant.reset(); });
}

void Player::message(Endpoint& from, std::span<const std::byte> bytes) {
  EXPECT_EQ(&from, endpoint.get());
  inside_callback_ = true;
  messages.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (on_message) on_message(messages.back());
  inside_callback_ = false;
}

void Player::landed(Endpoint&, uint64_t notify) {
  inside_callback_ = true;
  notified.push_back(notify);
  if (on_landed) on_landed(notify);
  inside_callback_ = false;
}

// ---- Table ----

void Table::connect() {
  // A rendezvous store stands between real processes; here the offers are simply at hand.
  const std::string from_a = a.offer(pair->b), from_b = b.offer(pair->a);
  a.connect(pair->b, from_b);
  b.connect(pair->a, from_a);
}

bool Table::drive_until(const std::function<bool()>& done) {
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  for (unsigned passes = 0; !done(); ++passes) {
    if (!pair->drive()) return done();
    if (passes % 1024 == 1023 && std::chrono::steady_clock::now() > give_up) return false;
  }
  return true;
}

void Table::drive(int passes) {
  for (int i = 0; i < passes; ++i) pair->drive();
}

bool Table::settled() {
  return drive_until([&] { return a.endpoint->flushed() && b.endpoint->flushed(); });
}

// ---- Conformance ----

const std::string* Conformance::excepted() {
  const std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
  const auto found = GetParam().exceptions.find(name.substr(0, name.find('/')));
  return found == GetParam().exceptions.end() ? nullptr : &found->second;
}

void Conformance::each_unconnected(const std::function<void(Table&)>& body) {
  if (const std::string* why = excepted()) GTEST_SKIP() << GetParam().name << ": " << *why;
  auto once = [&](uint64_t seed) {
    Table table(GetParam().make(seed));
    body(table);
  };
  if (GetParam().seeds == 1) return once(1);
  for_each_seed(GetParam().seeds, once);
}

void Conformance::each(const std::function<void(Table&)>& body) {
  each_unconnected([&](Table& table) {
    table.connect();
    if (!table.a.endpoint || !table.b.endpoint) {
      ADD_FAILURE() << "connect() answered nothing";
      return;
    }
    body(table);
  });
}

INSTANTIATE_TEST_SUITE_P(Engines, Conformance, testing::ValuesIn(fixtures()),
                         [](const auto& info) { return info.param.name; });

}  // namespace dlslime::conformance
