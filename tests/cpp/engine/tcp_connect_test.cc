// How connections come about, and what strangers can do about it (nothing).
#include <fcntl.h>

#include "engine/stream_frames.h"
#include "engine/tcp/local_address.h"
#include "engine/tcp_stranger.h"

namespace dlslime::test {
namespace {

using std::chrono::seconds;

bool contains(const Status& status, std::string_view text) {
  return status.to_string().find(text) != std::string::npos;
}

PeerInfo reachable_identity(int rank) {
  PeerInfo info = identity(rank);
  info.addresses["tcp"] = "127.0.0.1:9";
  return info;
}

TcpEngine::Options at(const std::string& address, const std::string& interface = {}) {
  TcpEngine::Options options;
  options.address = address, options.interface = interface;
  return options;
}

// Drives `side` until its endpoint is down, with time flying; the reason.
Status downfall(Side& side, std::initializer_list<Side*> all) {
  EXPECT_TRUE(pump(all, [&] {
    side.clock.advance(std::chrono::milliseconds(10));
    return !side.seen.downs.empty();
  }));
  return side.seen.downs.empty() ? Status() : side.seen.downs[0];
}

bool talk(Side& a, Side& b) {
  a.post("to b"), b.post("to a");
  return pump({&a, &b}, [&] { return !a.seen.messages.empty() && !b.seen.messages.empty(); });
}

TEST(TcpConnect, EitherSideMayConnectFirst) {
  Side a(1), b(2);
  a.connect(b.self);
  ASSERT_TRUE(pump({&a, &b}, [&] { return b.engine->listener().parked() == 1; }));
  b.connect(a.self);
  EXPECT_TRUE(talk(a, b));
  EXPECT_EQ(b.engine->listener().parked(), 0u);
  Side c(0);
  Recorder seen;
  auto waits = a.token([&] { return a.engine->connect(c.self, 0, {}, seen); });
  c.connect(a.self);
  c.post("hello");
  ASSERT_TRUE(pump({&a, &c}, [&] { return seen.messages.size() == 1; }));
  a.token([&] { waits.reset(); });
}

TEST(TcpConnect, SeveralEndpointsOfOnePair) {
  Pair pair;
  Recorder seen_a, seen_b;
  auto more_a = pair.a.token([&] { return pair.a.engine->connect(pair.b.self, 1, {}, seen_a); });
  auto more_b = pair.b.token([&] { return pair.b.engine->connect(pair.a.self, 1, {}, seen_b); });
  EXPECT_TRUE(pair.settle());
  const std::string text = "second";
  pair.a.token([&] { return more_a->post(std::as_bytes(std::span(text)), {}); });
  EXPECT_TRUE(pair.pump([&] { return seen_b.messages.size() == 1; }));
  EXPECT_TRUE(pair.b.seen.messages.empty());
  pair.a.token([&] { more_a.reset(); });
  pair.b.token([&] { more_b.reset(); });
}

TEST(TcpConnect, AnEndpointCanBeReopened) {
  Pair pair;
  ASSERT_TRUE(pair.settle());
  for (int i = 0; i < 5; ++i) {
    pair.a.token([&] { pair.a.endpoint.reset(); });
    pair.b.token([&] { pair.b.endpoint.reset(); });
    pair.a.connect(pair.b.self), pair.b.connect(pair.a.self);
    ASSERT_TRUE(pair.settle());
  }
}

TEST(TcpConnect, AWaitingEndpointOutlivesACallerWhoGivesUp) {
  Side a(1), b(2);
  a.connect(b.self);
  ASSERT_TRUE(pump({&a, &b}, [&] { return b.engine->listener().parked() == 1; }));
  a.token([&] { a.endpoint.reset(); });
  b.connect(a.self);
  for (int i = 0; i < 100; ++i) b.clock.advance(seconds(1)), b.pass(), a.pass();
  EXPECT_TRUE(b.endpoint->state().ok());
  a.connect(b.self);
  EXPECT_TRUE(talk(a, b));
}

TEST(TcpConnect, ABusyAcceptorIsWaitedFor) {
  Side a(1), b(2);
  a.connect(b.self), b.connect(a.self);
  for (int i = 0; i < 100; ++i) a.clock.advance(seconds(10)), a.pass();
  EXPECT_TRUE(a.endpoint->state().ok()) << a.endpoint->state().to_string();
  EXPECT_TRUE(talk(a, b));
}

TEST(TcpConnect, ADeadPortMeansADeadPeer) {
  Side a(1), b(2);
  PeerInfo dead = b.self;
  dead.addresses["tcp"] = Lair().address;
  a.connect(dead);
  auto mine = random_bytes(10);
  TestSegment segment(mine, RemoteRegion{});
  a.put(segment);
  const Status why = downfall(a, {&a});
  EXPECT_EQ(why.code(), Code::kPeerDied);
  EXPECT_TRUE(contains(why, dead.addresses["tcp"])) << why.to_string();
  EXPECT_TRUE(contains(why, dead.id)) << why.to_string();
  EXPECT_EQ(segment.result.code(), Code::kPeerDied);
}

TEST(TcpConnect, AnAddressThatAnotherProcessHasNow) {
  Side a(1), b(2), c(3);
  PeerInfo moved = b.self;
  moved.addresses["tcp"] = c.engine->address();
  a.connect(moved);
  EXPECT_EQ(downfall(a, {&a, &c}).code(), Code::kPeerDied);
}

TEST(TcpConnect, APeerThatHangsUpIsCalledAgainUntilTheBudgetEnds) {
  Side a(1), b(2);
  Lair lair;
  PeerInfo rude = b.self;
  rude.addresses["tcp"] = lair.address;
  a.connect(rude);
  int calls = 0;
  ASSERT_TRUE(pump({&a}, [&] {
    a.clock.advance(std::chrono::milliseconds(10));
    UniqueFd caller(::accept4(lair.fd.get(), nullptr, nullptr, SOCK_NONBLOCK));
    fcntl(lair.fd.get(), F_SETFL, O_NONBLOCK);
    if (caller) ++calls, Stranger(std::move(caller)).reset();
    return !a.seen.downs.empty();
  }));
  EXPECT_GT(calls, 3);
  EXPECT_EQ(a.seen.downs[0].code(), Code::kLinkLost);
  EXPECT_TRUE(contains(a.seen.downs[0], lair.address)) << a.seen.downs[0].to_string();
}

TEST(TcpConnect, UnreachablePeersSayWhy) {
  Side a(1), b(2);
  PeerInfo peer = b.self;
  peer.addresses.clear();
  EXPECT_TRUE(contains(a.engine->reach(peer), "does not listen"));
  a.connect(peer);
  EXPECT_EQ(downfall(a, {&a}).code(), Code::kUnavailable);
  peer = b.self;
  peer.secret = "short";
  EXPECT_EQ(a.engine->reach(peer).code(), Code::kInvalid);
  peer = b.self;
  peer.addresses["tcp"] = "example.org:80";
  EXPECT_EQ(a.engine->reach(peer).code(), Code::kInvalid);
  EXPECT_FALSE(a.engine->reach(a.self).ok());
  EXPECT_TRUE(a.engine->reach(b.self).ok());
}

// ---- proofs ----

TEST(TcpConnect, ACallerWithAWrongIdeaOfOurSecretIsNotLetIn) {
  Side a(1), b(2);
  PeerInfo wrong = b.self;
  wrong.secret = identity(2).secret;
  a.connect(wrong), b.connect(a.self);
  EXPECT_EQ(downfall(a, {&a, &b}).code(), Code::kLinkLost);
  EXPECT_TRUE(b.endpoint->state().ok());
  EXPECT_EQ(b.engine->listener().parked() + b.engine->listener().strangers(), 0u);
}

TEST(TcpConnect, AnAcceptorWithAWrongIdeaOfOurSecretIsNotTrusted) {
  Side a(1), b(2);
  PeerInfo wrong = a.self;
  wrong.secret = identity(1).secret;
  a.connect(b.self), b.connect(wrong);
  const Status why = downfall(a, {&a, &b});
  EXPECT_TRUE(contains(why, "secret")) << why.to_string();
  EXPECT_TRUE(b.endpoint->state().ok());
}

TEST(TcpConnect, AFalseConfirmTakesNobodysPlace) {
  Side a(1), b(2);
  b.connect(a.self);
  PeerInfo fake = identity(1);  // has read the acceptor's secret, but not the caller's
  tcp::Initiator handshake(fake, b.self, 0);
  Stranger liar(b.engine->address());
  liar.say(handshake.out());
  tcp::Reply reply;
  ASSERT_TRUE(liar.hear({&b}, &reply));
  EXPECT_EQ(reply.prefix.verdict, tcp::Verdict::kWelcome);
  Stranger silent(b.engine->address());
  silent.say(tcp::Initiator(fake, b.self, 0).out());  // waits for its turn
  liar.say(tcp::Confirm{});
  EXPECT_TRUE(liar.hung_up({&b}));
  ASSERT_TRUE(silent.hear({&b}, &reply));
  a.connect(b.self);
  silent.close();
  EXPECT_TRUE(talk(a, b));
}

TEST(TcpConnect, ACallerOfAnotherVersionIsToldOurs) {
  Side b(2);
  tcp::Hello hello{};
  hello.prefix = {tcp::kHelloMagic, PeerInfo::kVersion + 1, tcp::Verdict::kNone};
  Stranger newer(b.engine->address());
  newer.say(hello);
  tcp::Prefix answer{};
  ASSERT_TRUE(newer.hear({&b}, &answer));
  EXPECT_EQ(answer.magic, tcp::kReplyMagic);
  EXPECT_EQ(answer.version, uint32_t(PeerInfo::kVersion));
  EXPECT_EQ(answer.verdict, tcp::Verdict::kOtherVersion);
  EXPECT_TRUE(newer.hung_up({&b}));
}

TEST(TcpConnect, AnAcceptorOfAnotherVersionIsReportedWithBoth) {
  Side a(1), b(2);
  Lair lair;
  PeerInfo newer = b.self;
  newer.addresses["tcp"] = lair.address;
  a.connect(newer);
  Stranger peer = lair.accept(a);
  peer.say(tcp::Prefix{tcp::kReplyMagic, PeerInfo::kVersion + 6, tcp::Verdict::kOtherVersion});
  const Status why = downfall(a, {&a});
  EXPECT_EQ(why.code(), Code::kMismatch);
  EXPECT_TRUE(contains(why, "version " + std::to_string(PeerInfo::kVersion + 6))) << why.to_string();
  EXPECT_TRUE(contains(why, "version " + std::to_string(PeerInfo::kVersion))) << why.to_string();
}

// ---- strangers ----

TEST(TcpConnect, RandomBytesAreHungUpOn) {
  Pair pair;
  ASSERT_TRUE(pair.settle());
  for (int i = 0; i < 50; ++i) {
    Stranger noise(pair.b.engine->address());
    noise.say(random_bytes(size_t(16 + i * 40)));
    EXPECT_TRUE(noise.hung_up({&pair.a, &pair.b}));
  }
  EXPECT_TRUE(pair.settle());
  EXPECT_EQ(pair.b.engine->listener().strangers(), 0u);
}

TEST(TcpConnect, AFloodOfSilentCallersIsBoundedAndKeepsNobodyOut) {
  Pair pair;
  ASSERT_TRUE(pair.settle());
  std::vector<Stranger> flood;
  for (int i = 0; i < 200; ++i) flood.emplace_back(pair.b.engine->address());
  ASSERT_TRUE(
      pair.pump([&] { return pair.b.engine->listener().strangers() == tcp::Listener::kMaxStrangers; }));
  EXPECT_TRUE(pair.settle()) << "an established connection must not notice";
  Side c(0);
  Recorder seen;
  auto waits = pair.b.token([&] { return pair.b.engine->connect(c.self, 0, {}, seen); });
  c.connect(pair.b.self);
  c.post("through the crowd");
  EXPECT_TRUE(pump({&c, &pair.b}, [&] {
    pair.b.clock.advance(std::chrono::milliseconds(1));
    EXPECT_LE(pair.b.engine->listener().strangers(), tcp::Listener::kMaxStrangers);
    return seen.messages.size() == 1;
  }));
  pair.b.token([&] { waits.reset(); });
  ASSERT_TRUE(pair.pump([&] {
    pair.b.clock.advance(std::chrono::milliseconds(100));
    return pair.b.engine->listener().strangers() == 0;
  })) << "silent callers are hung up on after a while";
  EXPECT_TRUE(pair.settle());
}

TEST(TcpConnect, AHelloMayComeInPiecesButNotForEver) {
  Side a(1), b(2);
  tcp::Initiator handshake(a.self, b.self, 0);
  Stranger slow(b.engine->address());
  for (const std::byte& one : handshake.out()) {
    slow.say(one);
    for (int i = 0; i < 200; ++i) b.pass();  // cold descriptors are looked at now and then
  }
  EXPECT_TRUE(pump({&b}, [&] { return b.engine->listener().parked() == 1; }));
  Stranger slower(b.engine->address());
  slower.say(handshake.out().first(100));
  ASSERT_TRUE(pump({&b}, [&] { return b.engine->listener().strangers() == 1; }));
  b.clock.advance(seconds(6));
  EXPECT_TRUE(slower.hung_up({&b}));
  EXPECT_EQ(b.engine->listener().parked(), 1u);
  slow.close();
  EXPECT_TRUE(pump({&b}, [&] { return b.engine->listener().parked() == 0; }));
}

TEST(TcpConnect, CallersOfOnePeerAreBounded) {
  Side a(1), b(2);
  std::vector<Stranger> many;
  for (int i = 0; i < 20; ++i)
    many.emplace_back(b.engine->address()).say(tcp::Initiator(a.self, b.self, 0).out());
  EXPECT_TRUE(many[19].hung_up({&b}));
  EXPECT_EQ(b.engine->listener().parked(), tcp::Listener::kMaxParkedPerPeer);
}

// ---- authenticated peers that misbehave ----

// `b`, connected to a peer whose part the test plays.
struct Acquainted {
  Acquainted() {
    b.connect(as);
    EXPECT_TRUE(peer.shake_hands(as, b));
  }
  const PeerInfo as = reachable_identity(1);
  Side b{2};
  Stranger peer{b.engine->address()};
};

TEST(TcpConnect, AConnectionResetByThePeer) {
  Acquainted pair;
  Side& b = pair.b;
  ASSERT_TRUE(pump({&b}, [&] { return b.engine->listener().parked() == 0; }));
  pair.peer.reset();
  const Status why = downfall(b, {&b});
  EXPECT_EQ(why.code(), Code::kLinkLost);
  EXPECT_TRUE(contains(why, "reset by peer")) << why.to_string();
  EXPECT_TRUE(contains(why, pair.as.id)) << why.to_string();
}

TEST(TcpConnect, APeerThatAsksAndNeverReadsIsCutOff) {
  Acquainted pair;
  Side& b = pair.b;
  struct {
    stream::FrameHead frame{stream::FrameType::kGet};
    stream::GetHead get{};  // of a region that does not exist: answered with a refusal
  } one;
  const std::vector<decltype(one)> many(1000, one);
  const auto bytes = std::as_bytes(std::span(many));
  size_t sent = 0;
  ASSERT_TRUE(pump({&b}, [&] {
    sent += pair.peer.push(bytes.subspan(sent % bytes.size()));
    return !b.seen.downs.empty();
  }));
  EXPECT_TRUE(contains(b.seen.downs[0], "takes no answer")) << b.seen.downs[0].to_string();
}

TEST(TcpConnect, APeerThatBreaksTheProtocolIsCutOff) {
  using stream::FrameHead;
  using stream::FrameType;
  for (const FrameHead head :
       {FrameHead{FrameType(77)}, FrameHead{.type = FrameType::kMessage, .length = ~0u},
        FrameHead{.type = FrameType::kPut, .length = ~0u},
        FrameHead{.type = FrameType::kGetData, .length = ~0u}}) {
    Acquainted pair;
    pair.peer.say(head);
    EXPECT_EQ(downfall(pair.b, {&pair.b}).code(), Code::kLinkLost);
    EXPECT_TRUE(pair.peer.hung_up({&pair.b}));
    EXPECT_EQ(pair.b.seen.downs.size(), 1u);
  }
}

// ---- addresses ----

TEST(TcpAddress, ListensWhereItIsTold) {
  Side six(1, at("::1")), other(2, at("", "lo"));
  EXPECT_EQ(six.engine->address().substr(0, 6), "[::1]:");
  EXPECT_EQ(other.engine->address().substr(0, 10), "127.0.0.1:");
  Side seven(3, at("::1"));
  six.connect(seven.self), seven.connect(six.self);
  EXPECT_TRUE(talk(six, seven));
}

TEST(TcpAddress, RefusesWhatNobodyCouldConnectTo) {
  Side side(1);
  std::unique_ptr<TcpEngine> engine;
  const Services services{side.clock, side.executor, side.reactor, side.regions, side.heap, side.self};
  EXPECT_EQ(TcpEngine::create(at("0.0.0.0"), services, &engine).code(), Code::kInvalid);
  EXPECT_EQ(TcpEngine::create(at("::"), services, &engine).code(), Code::kInvalid);
  EXPECT_EQ(TcpEngine::create(at("localhost"), services, &engine).code(), Code::kInvalid);
  EXPECT_EQ(TcpEngine::create(at("", "nosuch0"), services, &engine).code(), Code::kInvalid);
  EXPECT_EQ(TcpEngine::create(at("192.0.2.1"), services, &engine).code(), Code::kUnavailable);
  EXPECT_EQ(engine, nullptr);
}

TEST(TcpAddress, TowardsAHost) {
  std::string address;
  ASSERT_TRUE(local_address_towards("127.0.0.1", &address).ok());
  EXPECT_EQ(address, "127.0.0.1");
  ASSERT_TRUE(local_address_towards("localhost", &address).ok());
  tcp::SocketAddress parsed;
  ASSERT_TRUE(tcp::parse_host(address, &parsed).ok());
  EXPECT_TRUE(parsed.loopback());
  EXPECT_EQ(local_address_towards("no.such.host.invalid", &address).code(), Code::kInvalid);
}

}  // namespace
}  // namespace dlslime::test
