// Listener: accepts connections, finds out who calls, and hands each to the endpoint that waits for that peer.
//
//   a caller is    while                                              limits
//   -------------  -------------------------------------------------  ---------------------------------------------
//   a stranger     its Hello is not complete                          kMaxStrangers, kStrangerTime; full: the rest stays in
//                                                                     the kernel's backlog, the oldest makes room after a while
//   parked         it has read the store, no endpoint waits for it    kMaxParked, kMaxParkedPerPeer; until it hangs up
//   confirming     it is promised to a Seat, its proof is awaited     one per Seat; kConfirmTime
//   gone           handed over, or closed for any other reason        -
//
// Threads:    under the token.
// Ownership:  owns callers' sockets until they are handed over; Seats belong to endpoints and leave by dying.
// Errors:     none to report: whatever a caller does wrong closes that caller's socket only.
// Invariants: memory is bounded by the limits above; established connections are never touched.
#pragma once
#include <list>
#include <string>

#include "base/list.h"
#include "engine/services.h"
#include "engine/tcp/handshake.h"
#include "engine/tcp/link_owner.h"
#include "engine/tcp/socket.h"

namespace dlslime::tcp {

class Listener;
struct Caller;

// An endpoint that waits for its peer's call.
class Seat : public Hook<Seat> {
 public:
  Seat(Listener& listener, PeerInfo peer, uint64_t link, LinkOwner& owner);
  ~Seat();

 private:
  friend class Listener;
  bool waits_for(const Acceptor& caller) const {
    return caller.initiator() == peer_.id && caller.link() == link_;
  }

  Listener& listener_;
  const PeerInfo peer_;
  const uint64_t link_;
  LinkOwner& owner_;
  Caller* promised_ = nullptr;
};

struct Caller {
  UniqueFd fd;
  Acceptor handshake;
  Nanos since, until;
  Seat* seat = nullptr;
};

class Listener {
 public:
  static constexpr size_t kMaxStrangers = 64;
  static constexpr size_t kMaxParked = 1024, kMaxParkedPerPeer = 8;

  explicit Listener(const Services& services) : services_(services) {}
  ~Listener();

  Status open(const SocketAddress& at);
  const std::string& address() const { return address_; }
  void start();  // joins the reactor, unless it has; again where that can't watch more now
  void tick(Nanos now);
  bool awaited() const { return !seats_.empty(); }  // an endpoint waits for its peer's call
  size_t strangers() const { return strangers_.size(); }
  size_t parked() const { return known_.size(); }

 private:
  friend class Seat;
  using Callers = std::list<Caller>;

  void accept_some();
  bool make_room(Nanos now);
  void pause(Nanos duration);
  void welcome(UniqueFd fd, Nanos now);
  void happened(Caller& caller);
  void identified(Caller& caller);
  void confirmed(Caller& caller);
  void promise(Seat& seat, Caller& caller);
  void fill(Seat& seat);  // with a parked caller, if there is one
  Seat* free_seat(const Acceptor& caller);
  void drop(Caller& caller);
  void erase(Caller& caller);
  void drop_late(Callers& callers, Nanos now);

  const Services services_;
  UniqueFd fd_;
  std::string address_;
  bool started_ = false, paused_ = false, refill_ = false;
  Nanos resume_at_{0};
  Callers strangers_, known_;
  List<Seat, Seat> seats_;
};

}  // namespace dlslime::tcp
