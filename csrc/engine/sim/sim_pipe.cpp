#include "engine/sim/sim_pipe.h"

#include <algorithm>
#include <cstring>

#include "engine/sim/sim_host.h"
#include "engine/sim/sim_world.h"

namespace dlslime {

void SimWire::break_end(int side, Status why) {
  const Nanos delay = world.death_delay();
  const Nanos after_the_last_byte = std::max(world.now(), direction[1 - side].last_arrival);
  world.at(after_the_last_byte + delay, [wire = shared_from_this(), side, why = std::move(why)] {
    if (!wire->broken[side].ok()) return;
    wire->broken[side] = why;
    if (wire->ends[side]) wire->ends[side]->ring();
  });
}

SimPipe::SimPipe(std::shared_ptr<SimWire> wire, int side) : wire_(std::move(wire)), side_(side) {
  wire_->ends[side_] = this;
}

SimPipe::~SimPipe() {
  wire_->ends[side_] = nullptr;
  if (wire_->hosts[side_]->alive()) {
    wire_->break_end(1 - side_, Status(Code::kLinkLost, "the peer closed the connection"));
  }
  wire_->world.left(*wire_);
}

size_t SimPipe::cut(size_t bytes) {
  SimWorld& world = wire_->world;
  return bytes > 1 && world.random().chance(world.config().cut_one_in) ? world.random().between(1, bytes)
                                                                       : bytes;
}

size_t SimPipe::write(std::span<const iovec> parts) {
  if (!state().ok()) return 0;
  size_t offered = 0;
  for (const iovec& part : parts) offered += part.iov_len;
  SimWorld& world = wire_->world;
  const size_t room = world.config().pipe_capacity - (out().bytes.size() - out().begin);
  if (!room || !offered) return 0;
  if (world.random().chance(world.config().choke_one_in)) {
    ring_later(side_);
    return 0;
  }
  // It died before this one: nobody will ever see the bytes.
  if (!wire_->hosts[side_]->effect()) return offered;
  const size_t taken = cut(std::min(room, offered));
  append(parts, taken);
  const size_t first = cut(taken);
  deliver(first);
  if (first < taken) deliver(taken - first);
  return taken;
}

void SimPipe::append(std::span<const iovec> parts, size_t bytes) {
  auto& buffer = out().bytes;
  for (const iovec& part : parts) {
    const size_t n = std::min(bytes, part.iov_len);
    const auto* from = static_cast<const std::byte*>(part.iov_base);
    buffer.insert(buffer.end(), from, from + n);
    bytes -= n;
  }
}

void SimPipe::deliver(size_t bytes) {
  SimWorld& world = wire_->world;
  const int to = 1 - side_;
  const Nanos due = world.now() + world.link_delay(wire_->hosts[side_]->rank(), wire_->hosts[to]->rank());
  out().last_arrival = std::max(out().last_arrival, due);
  world.at(out().last_arrival, [wire = wire_, to, bytes] {
    wire->direction[1 - to].arrived += bytes;
    if (wire->ends[to]) wire->ends[to]->ring();
  });
}

void SimPipe::ring_later(int side) {
  SimWorld& world = wire_->world;
  const Nanos delay = world.link_delay(wire_->hosts[1 - side]->rank(), wire_->hosts[side]->rank());
  world.at(world.now() + delay, [wire = wire_, side] {
    if (wire->ends[side]) wire->ends[side]->ring();
  });
}

size_t SimPipe::read(std::span<std::byte> into) {
  auto& from = in();
  const size_t there = std::min(from.arrived - from.begin, into.size());
  if (!there) return 0;
  const size_t taken = cut(there);
  std::memcpy(into.data(), from.bytes.data() + from.begin, taken);
  from.begin += taken;
  if (from.begin > from.bytes.size() / 2) {
    from.bytes.erase(from.bytes.begin(), from.bytes.begin() + ptrdiff_t(from.begin));
    from.arrived -= from.begin;
    from.begin = 0;
  }
  const SimPipe* writer = wire_->ends[1 - side_];
  if (writer && writer->wants_room_) ring_later(1 - side_);
  return taken;
}

bool SimPipe::drained() const { return out().arrived == out().bytes.size(); }

}  // namespace dlslime
