// LocalGroup: one rank's view of its group's shared pages; the steps that collectives over shared memory are made of.
//
// The pages may hold a part of the group's ranks. A rank's place among them is what rank(), size() and `who` mean here;
// group_rank() says which rank of the group that is, for people and for calls.
//
// Threads:    under the token (bulk copies without it).
// Ownership:  refers to the group and its pages.
// Errors:     verify() throws kMismatch naming both calls; waits name the ranks that have not arrived.
// Units:      bytes; steps count chunks and only grow.
// Invariants:
//   1. Operation s may be posted when everybody has finished s - kCallSlots (its line is then free).
//   2. In-slot k may be written when everybody has consumed k - kSlots; out-slot k when everybody has taken k - kSlots.
//   3. Every rank advances the step counters alike, whether it reads or writes in a step or not.
//
//   line          word                payload                       written when
//   0..3          operation s         its call, extent, factor,     the rank enters operation s
//                                     its input's address where
//                                     others may need it, up to
//                                     kInline bytes of data
//   kPosted       in-step k           -                             its in-slot k is complete (an operation's first may be so
//                                                                   when its line is written)
//   kConsumed     in-step k           -                             it needs nobody's in-slot <= k any more
//   kReduced      out-step k          -                             its out-slot k is complete
//   kTaken        out-step k          -                             it needs nobody's out-slot <= k any more
//   kDone         operation s         -                             it has finished s
//   kTakenBack    1                   -                             one of its operations has failed: what is
//                                                                   read of its buffers is worth nothing
#pragma once
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/wait.h"
#include "collective/call.h"
#include "collective/collectives.h"
#include "collective/local/idle_slots.h"
#include "engine/shared_pages.h"

namespace dlslime {

class LocalGroup {
 public:
  static constexpr size_t kCallSlots = 4;
  static constexpr size_t kSlots = 4;
  static constexpr size_t kSlotBytes = 256 << 10;
  static constexpr size_t kInline = 64;
  static constexpr int kMaxRanks = 256;  // more would make the pieces of a slot too small to be worth it
  enum Line : size_t { kPosted = kCallSlots, kConsumed, kReduced, kTaken, kDone, kTakenBack, kLines };
  // Per rank: what it sends to each (4 generations), then in-slots, then out-slots.
  static size_t data_bytes(int size) { return table_bytes(size) * kCallSlots + 2 * kSlots * kSlotBytes; }

  // `ranks`: the group's, by place.
  LocalGroup(Group& group, SharedPages& pages, std::vector<int> ranks)
      : group_(group), pages_(pages), ranks_(std::move(ranks)), sources_(size_t(pages.size())) {}

  int rank() const { return pages_.rank(); }
  int size() const { return pages_.size(); }
  int group_rank(int who) const { return ranks_[size_t(who)]; }
  Group& group() { return group_; }

  // ---- entering and leaving an operation ----
  struct Posted {
    Fingerprint fingerprint;
    uint64_t extent;
    double factor;
    uint64_t address;  // of the rank's input; 0: not told
    std::byte inline_data[kInline];
  };
  static_assert(sizeof(Posted) <= sizeof(SharedPages::Line::payload));

  // Everybody has finished what this operation's line held before.
  auto line_free(uint64_t s) { return all(kDone, s > kCallSlots ? s - kCallSlots : 0); }
  struct Note {  // what a rank's line says besides its call
    uint64_t extent = 0;
    double factor = 1;
    ConstBytes inline_data = {};
    const void* address = nullptr;
  };
  void post(const Call& call, const Note& note);
  void post(const Call& call) { post(call, {}); }
  auto arrived(uint64_t s) { return all(s % kCallSlots, s); }
  auto arrived_one(int who, uint64_t s) { return one(who, s % kCallSlots, s); }
  void verify(const Call& call) const;  // everybody's
  void verify_one(const Call& call, int who) const;
  const Posted& posted(int who, uint64_t s) const {
    return *reinterpret_cast<const Posted*>(pages_.payload(who, s % kCallSlots).data());
  }
  std::vector<int> ahead(uint64_t s) const;  // the group's ranks that have posted operation s
  // What `who` sends in operation s, by destination.
  struct Sent {
    uint64_t bytes, address;
  };
  std::span<Sent> table(int who, uint64_t s) const;
  void show_parts(std::span<const ConstBytes> parts, uint64_t s);  // in my table; before post()
  // Out of a peer's buffer, at an address that it has posted. What was read counts only once lent() has been awaited after it.
  Status read_private(int who, uint64_t address, Bytes into) const;
  // The buffer itself, if is_mapped() has said so; the same holds for what is read there.
  Status mapped(int who, uint64_t address, size_t bytes, const std::byte** at) const;
  bool is_mapped(ConstBytes mine) { return pages_.is_mapped(mine); }
  void take_back() { pages_.publish(kTakenBack, 1); }
  void done(uint64_t s) {
    pages_.publish(kDone, s);
    idle_slots_.used(steps());
  }
  bool is_done(uint64_t s) const { return pages_.read(rank(), kDone) >= s; }  // here

  // ---- between operations ----
  uint64_t steps() const { return in_step_ + out_step_; }
  bool slots_unused() const;  // nobody needs any slot of the steps so far
  // Gives back a slice of this rank's memory that begins at `from`. Answers where the next one begins, and whether that was the last.
  std::pair<size_t, bool> give_back(size_t from);

  // ---- steps ----
  uint64_t next_in() { return ++in_step_; }
  uint64_t next_out() { return ++out_step_; }
#if DLSLIME_PLANT_BUG == 1
  // The simulator must notice: a slot is overwritten while a slow rank still reads it.
  auto in_free(uint64_t) { return all(kConsumed, 0); }
#else
  auto in_free(uint64_t k) { return all(kConsumed, k > kSlots ? k - kSlots : 0); }
#endif
  auto out_free(uint64_t k) { return all(kTaken, k > kSlots ? k - kSlots : 0); }
  std::byte* in_slot(int who, uint64_t k) const { return slots(who) + k % kSlots * kSlotBytes; }
  std::byte* out_slot(int who, uint64_t k) const { return slots(who) + (kSlots + k % kSlots) * kSlotBytes; }
  void publish(Line line, uint64_t k) { pages_.publish(line, k); }

  // Folds what all ranks contribute, in rank order; `at(p)` is where rank p's contribution lies.
  template <class At>
  void fold(const Reduction& reduction, void* to, size_t bytes, At at) {
    dlslime::reduce(reduction, to, sources(at), bytes / size_of(reduction.dtype));
  }
  template <class At>
  void fold(const Reduction& reduction, std::span<void* const> to, size_t bytes, At at) {
    dlslime::reduce(reduction, to, sources(at), bytes / size_of(reduction.dtype));
  }
  // `at(p)` for all ranks, in rank order; until the next call.
  template <class At>
  std::span<const void* const> sources(At at) {
    for (int who = 0; who < size(); ++who) sources_[size_t(who)] = at(who);
    return sources_;
  }
  // The reduction, with everybody's factor where one is used; all must have arrived.
  Reduction reduction_of(const ReduceSpec& spec, uint64_t s);

  // Waits until a word of all others (or of one) has reached a value; says who has not, when that fails.
  class Reached final : public Awaiter<Reached> {
   public:
    Reached(const LocalGroup& local, size_t line, uint64_t value, int only)
        : local_(local), line_(line), value_(value), only_(only) {}

   protected:
    bool ready() override;
    std::string waiting_for() const override;

   private:
    const LocalGroup& local_;
    const size_t line_;
    const uint64_t value_;
    const int only_;
    int next_ = 0;  // ranks before it have arrived
  };
  Reached all(size_t line, uint64_t value) const { return {*this, line, value, -1}; }
  Reached one(int who, size_t line, uint64_t value) const { return {*this, line, value, who}; }
  // Is there at once, unless a peer (-1: any) has taken its buffers back: then for the reason to come, which ends the operation.
  Reached lent(int who) const { return {*this, kDone, taken_back(who) ? UINT64_MAX : 0, who}; }

 private:
  bool taken_back(int who) const;
  Status told(Status read, int who) const;  // with whose buffer that was
  static size_t table_bytes(int size) { return (size_t(size) * sizeof(Sent) + 127) / 128 * 128; }
  std::byte* slots(int who) const { return pages_.data(who).data() + table_bytes(size()) * kCallSlots; }

  Group& group_;
  SharedPages& pages_;
  const std::vector<int> ranks_;
  uint64_t in_step_ = 0, out_step_ = 0;
  std::vector<const void*> sources_;  // one collective at a time: shared by all of them
  std::vector<double> factors_;
  IdleSlots idle_slots_{*this};
};

// The part of a slot that belongs to each of `parts` ranks, a multiple of 64 bytes.
inline size_t piece_of(size_t slot, int parts) { return slot / size_t(parts) / 64 * 64; }

}  // namespace dlslime
