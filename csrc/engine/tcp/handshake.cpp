#include "engine/tcp/handshake.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/random.h"
#include "engine/tcp/socket.h"

namespace dlslime::tcp {
namespace {

Mac hmac(std::string_view key, std::string_view text) {
  Mac mac{};
  unsigned size = mac.size();
  HMAC(EVP_sha256(), key.data(), int(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
       text.size(), mac.data(), &size);
  return mac;
}

template <class T>
std::string_view bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

bool equal(const Mac& a, const Mac& b) { return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0; }

Mac pair_key(const PeerInfo& a, const PeerInfo& b) {
  const PeerInfo& lower = a.id < b.id ? a : b;
  const PeerInfo& higher = a.id < b.id ? b : a;
  return hmac(lower.secret, "dlslime pair" + higher.secret);
}

Mac hello_proof(const PeerInfo& target, Hello hello) {
  hello.proof = {};
  return hmac(target.secret, "dlslime hello" + std::string(bytes_of(hello)));
}

// Different words for the two directions: neither proof can be sent back as the other.
Mac pair_proof(const Mac& key, std::string_view direction, const Hello& hello, const Nonce& nonce) {
  return hmac(bytes_of(key),
              std::string(direction) + std::string(bytes_of(hello)) + std::string(bytes_of(nonce)));
}
constexpr std::string_view kFromAcceptor = "dlslime reply", kFromInitiator = "dlslime confirm";

void copy_id(const PeerInfo& from, Id* to) { std::memcpy(to->data(), from.id.data(), to->size()); }

std::string versions(uint32_t theirs) {
  return "the peer speaks wire version " + std::to_string(theirs) + ", this process speaks version " +
         std::to_string(PeerInfo::kVersion) + ": install the same dlslime_torch on all ranks";
}

}  // namespace

bool usable(const PeerInfo& info) {
  return info.id.size() == sizeof(Id) && info.secret.size() == sizeof(Mac);
}

// ---- both sides ----

void Handshake::took(size_t bytes) {
  have_ += bytes;
  if (have_ == want_) arrived();
}

void Handshake::say(const void* bytes, size_t size) {
  std::memcpy(out_.data(), bytes, size);
  out_size_ = size;
}

void Handshake::fail(Code code, std::string what) {
  state_ = State::kFailed;
  failure_ = Status(code, std::move(what));
  want_ = have_;
}

template <class T>
T Handshake::received() const {
  T value;
  std::memcpy(&value, in_.data(), sizeof value);
  return value;
}

bool exchange(int fd, Handshake& handshake) {
  while (true) {
    if (!handshake.out().empty()) {
      if (!send_whole(fd, handshake.out())) return false;
      handshake.sent();
    }
    const auto into = handshake.wanted();
    if (into.empty()) return true;
    const ssize_t got = ::recv(fd, into.data(), into.size(), MSG_DONTWAIT);
    if (got <= 0) return got < 0 && (errno == EAGAIN || errno == EINTR);
    handshake.took(size_t(got));
  }
}

// ---- initiator ----

Initiator::Initiator(const PeerInfo& self, const PeerInfo& peer, uint64_t link) : key_(pair_key(self, peer)) {
  hello_.prefix = {kHelloMagic, uint32_t(PeerInfo::kVersion), Verdict::kNone};
  copy_id(self, &hello_.initiator);
  copy_id(peer, &hello_.target);
  hello_.link = link;
  hello_.nonce = random_value<Nonce>();
  hello_.proof = hello_proof(peer, hello_);
  say(&hello_, sizeof hello_);
}

void Initiator::judge(const Prefix& prefix) {
  if (prefix.magic != kReplyMagic) return fail(Code::kInvalid, "what answers is no dlslime process");
  if (prefix.version != uint32_t(PeerInfo::kVersion)) return fail(Code::kMismatch, versions(prefix.version));
  if (prefix.verdict == Verdict::kNotMe) return fail(Code::kPeerDied, "another process has its address now");
  if (prefix.verdict != Verdict::kWelcome) return fail(Code::kInvalid, "the peer's answer makes no sense");
  want(sizeof(Reply));
}

void Initiator::arrived() {
  if (reply_.prefix.magic == 0) {
    reply_.prefix = received<Prefix>();
    return judge(reply_.prefix);
  }
  reply_ = received<Reply>();
  if (!equal(reply_.proof, pair_proof(key_, kFromAcceptor, hello_, reply_.nonce))) {
    return fail(Code::kDenied, "what answers does not know the peer's secret");
  }
  const Confirm confirm{pair_proof(key_, kFromInitiator, hello_, reply_.nonce)};
  say(&confirm, sizeof confirm);
  state_ = State::kDone;
}

// ---- acceptor ----

void Acceptor::refuse(Verdict verdict, Code code, std::string what) {
  const Prefix prefix{kReplyMagic, uint32_t(PeerInfo::kVersion), verdict};
  say(&prefix, sizeof prefix);
  fail(code, std::move(what));
}

void Acceptor::arrived() {
  if (state_ == State::kConfirming) {
    const bool good =
        equal(received<Confirm>().proof, pair_proof(key_, kFromInitiator, hello_, reply_.nonce));
    return good ? void(state_ = State::kDone)
                : fail(Code::kDenied, "the caller does not know the peer's secret");
  }
  hello_.prefix.magic == 0 ? read_prefix() : read_hello();
}

void Acceptor::read_prefix() {
  hello_.prefix = received<Prefix>();
  if (hello_.prefix.magic != kHelloMagic) return fail(Code::kInvalid, "what calls is no dlslime process");
  if (hello_.prefix.version != uint32_t(PeerInfo::kVersion)) {
    return refuse(Verdict::kOtherVersion, Code::kMismatch, versions(hello_.prefix.version));
  }
  want(sizeof(Hello));
}

void Acceptor::read_hello() {
  hello_ = received<Hello>();
  const std::string_view target(hello_.target.data(), hello_.target.size());
  if (target != self_.id)
    return refuse(Verdict::kNotMe, Code::kInvalid, "the caller looks for another process");
  if (!equal(hello_.proof, hello_proof(self_, hello_)))
    return fail(Code::kDenied, "the caller does not know our secret");
  state_ = State::kParked;
  restart(0);
}

void Acceptor::admit(const PeerInfo& peer) {
  key_ = pair_key(self_, peer);
  reply_.prefix = {kReplyMagic, uint32_t(PeerInfo::kVersion), Verdict::kWelcome};
  reply_.nonce = random_value<Nonce>();
  reply_.proof = pair_proof(key_, kFromAcceptor, hello_, reply_.nonce);
  say(&reply_, sizeof reply_);
  state_ = State::kConfirming;
  restart(sizeof(Confirm));
}

}  // namespace dlslime::tcp
