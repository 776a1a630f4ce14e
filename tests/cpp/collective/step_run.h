// StepRun: one rank's buffers for one step of a random program; calls it, and checks the result by itself.
//
// Threads:    call() under the token; the rest by the rank's own thread, before and after.
// Ownership:  the buffers; outlives the operation.
#pragma once
#include <string>
#include <vector>

#include "base/task.h"
#include "collective/group.h"
#include "collective/parts.h"
#include "collective/step_values.h"
#include "memory/shared_heap.h"

namespace dlslime {

class StepRun {
 public:
  // `hosts`: the ranks that share memory, where not all do. `heap`: where the data lies; null: in private memory.
  StepRun(const Step& step, int rank, int ranks, const Plan& plan, const RanksByHost& hosts = {},
          SharedHeap* heap = nullptr)
      : step_(step),
        rank_(rank),
        ranks_(ranks),
        hosts_(hosts.empty() || flat(plan) ? on_one_host(ranks) : hosts),
        heap_(heap) {
    fill();
    if (heap_) move_to_heap();
  }
  ~StepRun() {
    if (heap_) heap_->free(data_);
  }
  StepRun(const StepRun&) = delete;
  StepRun& operator=(const StepRun&) = delete;

  Task<> call(Group& group);
  std::string wrong() const;  // empty: the result is right
  const Step& step() const { return step_; }
  std::string name() const { return step_.name(); }

 private:
  bool flat(const Plan& plan) const;  // combined in rank order, wherever the ranks are
  void fill();
  void move_to_heap();
  void fill_parts();
  ByteVector made(int rank, int part, size_t count) const { return dlslime::made(step_, rank, part, count); }
  ByteVector empty(size_t count) const { return ByteVector(count * size_of(step_.dtype), std::byte{0xEE}); }
  ByteVector sum(int part, size_t count) const { return reduced(step_, hosts_, part, count); }
  ByteVector expected_data() const;
  std::vector<Bytes> in_pieces() const;
  Task<> ring(Group& group);
  Task<> any_source(Group& group);

  const Step step_;
  const int rank_, ranks_;
  const RanksByHost hosts_;
  SharedHeap* const heap_;
  ByteVector private_;
  Bytes data_;
  std::vector<ByteVector> in_, out_;
  std::vector<ConstBytes> in_bytes_;
  std::vector<Bytes> out_bytes_;
};

}  // namespace dlslime
