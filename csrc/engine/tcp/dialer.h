// Dialer: reaches one peer, from this process: connects, proves who it is, tries again.
//
//   state         what holds                       moved on by
//   ------------  -------------------------------  ---------------------------------------------------------
//   kWaiting      no socket; next attempt at at_   tick() at that time
//   kConnecting   a connect is under way           room to write: kGreeting; an error, no answer: attempt failed
//   kGreeting     Hello is sent                    a good Reply: kOver (connected); anything else: attempt failed
//   kOver         the owner has been told          -
//
// A failed attempt leads to kWaiting, or to kOver (unreachable) when it is final or the budget is used up.
//
// Threads:    under the token.
// Errors:     unreachable(): kPeerDied - nobody listens there, or another process does; kMismatch - another wire version;
//             kLinkLost - anything else, with the last attempt's reason. All name the address.
// Invariants: a peer that has accepted but is busy with something else is waited for without limit: operations have deadlines.
#pragma once
#include <optional>

#include "base/list.h"
#include "engine/services.h"
#include "engine/tcp/handshake.h"
#include "engine/tcp/link_owner.h"
#include "engine/tcp/socket.h"

namespace dlslime::tcp {

class Dialer : public Hook<Dialer> {
 public:
  Dialer(const Services& services, const PeerInfo& peer, uint64_t link, const SocketAddress& address,
         Nanos budget, LinkOwner& owner);
  ~Dialer();

  void tick(Nanos now);

 private:
  enum class State : uint8_t { kWaiting, kConnecting, kGreeting, kOver };
  static constexpr Nanos kFirstBackOff = std::chrono::milliseconds(1);
  static constexpr Nanos kLongestBackOff = std::chrono::milliseconds(200);
  // Its listener was there before its address: refused means gone, but not in a blink.
  static constexpr int kRefusals = 4;

  void attempt();
  void happened();
  void greet();
  void failed(const Status& why);
  void finish(Status why);
  void hang_up();

  const Services services_;
  const PeerInfo peer_;
  const uint64_t link_;
  const SocketAddress address_;
  const Nanos budget_;
  LinkOwner& owner_;
  State state_ = State::kWaiting;
  Nanos at_{0};  // next attempt, or begin of this one
  std::optional<Nanos> first_failure_;
  Nanos back_off_ = kFirstBackOff;
  int refusals_ = 0;
  UniqueFd fd_;
  std::optional<Initiator> handshake_;
};

}  // namespace dlslime::tcp
