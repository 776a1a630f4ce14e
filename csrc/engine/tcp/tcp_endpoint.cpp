#include "engine/tcp/tcp_endpoint.h"

#include <utility>

namespace dlslime::tcp {

TcpEndpoint::TcpEndpoint(std::string_view engine, std::unique_ptr<SocketPipe> pipe, RegionTable& regions,
                         EndpointHandler& handler, Due& due_list)
    : StreamEndpoint(engine, std::move(pipe), regions, handler),
      due_list_(due_list),
      socket_(static_cast<SocketPipe&>(StreamEndpoint::pipe())) {
  socket_.belongs_to(*this);
}

void TcpEndpoint::connected(UniqueFd fd) {
  if (Status attached = socket_.attach(std::move(fd)); !attached.ok()) unreachable(std::move(attached));
}

void TcpEndpoint::unreachable(Status why) {
  fail(std::move(why));
  due();
}

bool TcpEndpoint::turn() {
  const bool was_up = state().ok();
  socket_.begin_turn();
  const bool moved = poll();
  socket_.begin_turn();  // what is posted between turns need not wait for the next one
  if (state().ok()) {
    if (socket_.ready()) due();
  } else {
    socket_.close();
    if (was_up) due();  // down() is told by one more poll
  }
  return moved;
}

}  // namespace dlslime::tcp
