// TcpEndpoint: a StreamEndpoint over a socket that is there sooner or later. Messages and segments queue until then.
//
// Threads:    under the token.
// Ownership:  its owner may delete it at any time, except inside its own poll (a callback about this very endpoint).
// Errors:     see Endpoint; one whose peer never calls stays up and silent: operations end at their deadlines.
// Invariants: polled only when it is in the due list.
#pragma once
#include <memory>

#include "engine/stream_endpoint.h"
#include "engine/tcp/dialer.h"
#include "engine/tcp/link_owner.h"
#include "engine/tcp/listener.h"
#include "engine/tcp/socket_pipe.h"

namespace dlslime::tcp {

struct DueTag {};
struct AllTag {};

class TcpEndpoint final : public StreamEndpoint,
                          public Hook<DueTag>,
                          public Hook<AllTag>,
                          public LinkOwner,
                          private SocketPipe::Owner {
 public:
  using Due = List<TcpEndpoint, DueTag>;
  TcpEndpoint(std::string_view engine, std::unique_ptr<SocketPipe> pipe, RegionTable& regions,
              EndpointHandler& handler, Due& due_list);

  void reached_by(std::unique_ptr<Dialer> dialer) { dialer_ = std::move(dialer); }
  void reached_by(std::unique_ptr<Seat> seat) { seat_ = std::move(seat); }
  void connected(UniqueFd fd) override;
  void unreachable(Status why) override;

  bool turn();  // its share of a pass
  void check_path() { socket_.check_path(); }

 private:
  void due() override { due_list_.push_back(*this); }
  void need_poll() override { due(); }

  Due& due_list_;
  SocketPipe& socket_;  // the base class owns it
  std::unique_ptr<Dialer> dialer_;
  std::unique_ptr<Seat> seat_;
};

}  // namespace dlslime::tcp
