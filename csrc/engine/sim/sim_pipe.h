// SimPipe: one end of a simulated wire between two hosts. Delays, cuts and chokes what it carries as the seed says.
//
// Threads:    one; a SimPipe belongs to a SimEndpoint, the SimWire to both ends and to the bytes under way.
// Errors:     broken by the other end's close (kLinkLost), its death (kPeerDied) or a cut; what was under way still arrives.
// Units:      bytes.
// Invariants: bytes arrive once and in order; at most `pipe_capacity` lie in one direction.
#pragma once
#include <array>
#include <memory>
#include <vector>

#include "engine/byte_pipe.h"
#include "engine/sim/sim_events.h"

namespace dlslime {

class SimHost;
class SimPipe;
class SimWorld;

// Side 0 is the lower rank's. direction[s] carries what side s writes.
struct SimWire : std::enable_shared_from_this<SimWire> {
  struct Direction {
    std::vector<std::byte> bytes;
    size_t begin = 0;    // read by the other side
    size_t arrived = 0;  // visible to the other side: [begin, arrived)
    Nanos last_arrival{0};
  };

  SimWire(SimWorld& w, SimHost& low, SimHost& high, uint64_t number)
      : world(w), hosts{&low, &high}, link(number) {}
  void break_end(int side, Status why);  // that side learns it after what is under way to it has arrived

  SimWorld& world;
  std::array<SimHost*, 2> hosts;
  const uint64_t link;             // which of those between the two
  std::array<SimPipe*, 2> ends{};  // null: not connected yet, or gone
  std::array<bool, 2> connected{};
  std::array<Direction, 2> direction;
  std::array<Status, 2> broken;
};

class SimPipe final : public BytePipe {
 public:
  class Owner {
   public:
    virtual void ring() = 0;  // poll me

   protected:
    ~Owner() = default;
  };

  SimPipe(std::shared_ptr<SimWire> wire, int side);
  ~SimPipe() override;
  void belongs_to(Owner* owner) { owner_ = owner; }

  size_t write(std::span<const iovec> parts) override;
  size_t read(std::span<std::byte> into) override;
  const Status& state() const override { return wire_->broken[side_]; }
  bool drained() const override;
  void want_writable(bool wanted) override { wants_room_ = wanted; }

 private:
  friend struct SimWire;
  SimWire::Direction& out() const { return wire_->direction[side_]; }
  SimWire::Direction& in() const { return wire_->direction[1 - side_]; }
  void ring() {
    if (owner_) owner_->ring();
  }
  size_t cut(size_t bytes);
  void append(std::span<const iovec> parts, size_t bytes);
  void deliver(size_t bytes);
  void ring_later(int side);

  std::shared_ptr<SimWire> wire_;
  const int side_;
  Owner* owner_ = nullptr;
  bool wants_room_ = false;
};

}  // namespace dlslime
