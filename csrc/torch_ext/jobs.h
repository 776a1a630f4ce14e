// The jobs that are no single collective: point-to-point, batches, the first handshake, the monitored
// barrier, sparse all_reduce.
//
// Threads, Ownership, Errors: see job.h.   Units: bytes.
// Invariants: what a batch sends and receives is started together, before its first collective.
#pragma once
#include "torch_ext/job.h"

namespace dlslime {

struct Message {
  bool sends = false;
  int peer = RecvRequest::kAnySource;
  int tag = 0;
  Bytes bytes;
  std::string describe() const;
};

class MessageJob final : public Job {
 public:
  MessageJob(std::shared_ptr<Member> member, Deadline deadline, Message message)
      : Job(std::move(member), Order::kFree, deadline), message_(message) {}
  Task<> body() override;
  std::string call() const override { return message_.describe(); }
  int source() const override { return source_; }

 private:
  Task<> send();
  Task<> receive();
  const Message message_;
  int source_ = -1;
};

// The all_reduces of one batch: what two share would be summed once or twice, as they travel. Throws ValueError.
void check_apart(std::span<const CollectiveArgs> all);

class BatchJob final : public Job {
 public:
  struct Parts {
    std::vector<Message> messages;
    std::vector<CollectiveArgs> collectives;
  };
  BatchJob(std::shared_ptr<Member> member, Deadline deadline, Parts parts);
  Task<> body() override;
  std::string call() const override;
  uint64_t sequence() const override {
    return parts_.collectives.empty() ? 0 : parts_.collectives[0].sequence;
  }

 private:
  const Parts parts_;
};

// Everybody reports to rank 0, which lets them go when all have come and names those who have not.
class MonitoredBarrierJob final : public Job {
 public:
  struct Terms {
    uint64_t number = 0;  // the how-manieth of the group
    std::chrono::milliseconds timeout{0};
    bool name_all = false;
  };
  MonitoredBarrierJob(std::shared_ptr<Member> member, Deadline deadline, Terms terms)
      : Job(std::move(member), Order::kFree, deadline), terms_(terms) {}
  Task<> body() override;
  std::string call() const override { return "monitoredBarrier #" + std::to_string(terms_.number); }

 private:
  Task<> lead();
  Task<> follow();
  uint64_t tag() const;
  const Terms terms_;
};

// The first thing in a new group: nobody passes before everybody has come. Messages, not a collective: users
// count those.
class HandshakeJob final : public Job {
 public:
  HandshakeJob(std::shared_ptr<Member> member, Deadline deadline, uint64_t phase)
      : Job(std::move(member), Order::kFree, deadline), phase_(phase) {}
  Task<> body() override;
  std::string call() const override { return "meeting the others"; }

 private:
  const uint64_t phase_;
};

// Gathers every rank's indices and values (COO); adding them up is the caller's.
class SparseGatherJob final : public Job {
 public:
  struct Input {
    DType dtype = DType::F32;
    ConstBytes indices, values;  // [sparse_dim, nnz] int64; [nnz, dense...]
    std::vector<int64_t> shape;  // sparse_dim, dense_dim, sizes: must be the same everywhere
    uint64_t sequence = 0;       // of the first of its collectives
  };
  struct Piece {
    std::vector<std::byte> indices, values;
  };
  static constexpr uint64_t kCollectives = 4;

  SparseGatherJob(std::shared_ptr<Member> member, Deadline deadline, Input input);
  Task<> body() override;
  std::string call() const override;
  uint64_t sequence() const override { return input_.sequence; }
  const std::vector<Piece>& pieces() const { return pieces_; }

 private:
  void compare_shapes(const std::vector<int64_t>& all) const;
  void make_room(const std::vector<int64_t>& sizes);
  const Input input_;
  std::vector<Piece> pieces_;
};

}  // namespace dlslime
