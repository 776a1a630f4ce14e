// PeerInfo and the engines' offers: what comes back is what was put in, and bytes that are neither are
// refused.
#include "engine/peer_info.h"

#include <gtest/gtest.h>

#define MSGPACK_NO_BOOST
#include <msgpack.hpp>

#include "engine/sim/sim_random.h"

namespace dlslime {
namespace {

PeerInfo example() {
  PeerInfo info;
  info.id = std::string(32, 'a');
  info.secret = std::string("\0\xff\x80 secret", 10);
  info.pid = 4711;
  info.host = "boot-id/host_id";
  info.addresses = {{"tcp", "10.0.0.1:99"}, {"shm", std::string("\0\x01\x02", 3)}, {"", ""}};
  return info;
}

TEST(PeerInfo, ComesBackAsItWas) {
  PeerInfo back;
  ASSERT_TRUE(PeerInfo::decode(example().encode(), &back).ok());
  EXPECT_EQ(back.id, example().id);
  EXPECT_EQ(back.secret, example().secret);
  EXPECT_EQ(back.pid, example().pid);
  EXPECT_EQ(back.host, example().host);
  EXPECT_EQ(back.addresses, example().addresses);
}

TEST(PeerInfo, AnotherVersionIsAMismatchThatNamesBoth) {
  msgpack::sbuffer buffer;
  msgpack::pack(buffer, std::tuple(std::string("dlslime"), 99, std::string("later fields"), 1.5));
  PeerInfo out;
  const Status status = PeerInfo::decode({buffer.data(), buffer.size()}, &out);
  EXPECT_EQ(status.code(), Code::kMismatch);
  EXPECT_NE(status.what().find("99"), std::string::npos);
  EXPECT_NE(status.what().find(std::to_string(PeerInfo::kVersion)), std::string::npos);
}

TEST(PeerInfo, TruncatedAnywhereIsRefused) {
  const std::string whole = example().encode();
  for (size_t size = 0; size < whole.size(); ++size) {
    PeerInfo out;
    EXPECT_FALSE(PeerInfo::decode(whole.substr(0, size), &out).ok()) << size;
  }
}

TEST(PeerInfo, HostileBytesAreRefusedOrRead) {
  SimRandom random(1);
  const std::string whole = example().encode();
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = whole;
    for (uint64_t flips = random.between(1, 4); flips > 0; --flips)
      bytes[random.below(bytes.size())] = char(random.next());
    PeerInfo out;
    const Status status = PeerInfo::decode(bytes, &out);  // it must return; sanitizers look on
    EXPECT_EQ(status.ok(), status.what().empty());
  }
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes(random.below(64), 0);
    for (char& byte : bytes) byte = char(random.next());
    PeerInfo out;
    EXPECT_FALSE(PeerInfo::decode(bytes, &out).ok());
  }
}

TEST(PeerInfo, ClaimedSizesAreNotBelieved) {
  // Arrays, maps, strings and blobs that claim four billion elements; and a deep nest.
  for (const char* bytes :
       {"\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff", "\xdb\xff\xff\xff\xff", "\xc6\xff\xff\xff\xff"}) {
    PeerInfo out;
    EXPECT_FALSE(PeerInfo::decode(std::string_view(bytes, 5), &out).ok());
  }
  for (size_t depth : {100u, 100'000u}) {
    PeerInfo out;
    EXPECT_FALSE(PeerInfo::decode(std::string(depth, '\x91'), &out).ok());
    EXPECT_FALSE(PeerInfo::decode(std::string(depth, '\x91') + '\x01', &out).ok());
  }
}

TEST(Offer, ComesBackAsItWas) {
  const Blob map = {{"a", std::string(1000, '\0')}, {"", "b"}};
  Blob back;
  ASSERT_TRUE(unpack(pack(map), &back).ok());
  EXPECT_EQ(back, map);
  ASSERT_TRUE(unpack(pack({}), &back).ok());
  EXPECT_TRUE(back.empty());
}

TEST(Offer, HostileBytesAreRefused) {
  Blob out;
  for (const std::string& bytes : {std::string(), std::string("x"), std::string("\xdf\xff\xff\xff\xff", 5),
                                   std::string(100'000, '\x91')}) {
    EXPECT_EQ(unpack(bytes, &out).code(), Code::kInvalid);
  }
}

}  // namespace
}  // namespace dlslime
