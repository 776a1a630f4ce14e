#include "collective/sim_program.h"

#include <random>

#include "message/request.h"

namespace dlslime {
namespace {

Bytes bytes(std::vector<int32_t>& v) { return std::as_writable_bytes(std::span(v)); }
ConstBytes bytes(const std::vector<int32_t>& v) { return std::as_bytes(std::span(v)); }

}  // namespace

std::vector<Step> random_program(uint64_t seed, int ranks, int length) {
  std::mt19937_64 random(seed * 977 + 5);
  const size_t counts[] = {0, 1, 3, 16, 17, 1000, 2048, 5000, 9001, 40000, 90001};
  const size_t choices =
      ranks > 8 ? 7 : std::size(counts);  // large worlds with small vectors: the time is in the ranks
  std::vector<Step> steps;
  for (int i = 0; i < length; ++i) {
    const auto kind = Step::Kind(random() % uint64_t(Step::Kind::kKinds));
    steps.push_back({kind, random(), counts[random() % choices], int(random() % uint64_t(ranks))});
  }
  return steps;
}

std::string StepRun::name() const {
  return "step kind " + std::to_string(int(step_.kind)) + " count " + std::to_string(step_.count) + " root " +
         std::to_string(step_.root);
}

int32_t StepRun::value(int rank, int part, size_t i) const {
  uint64_t x = step_.salt + uint64_t(rank) * 1000003 + uint64_t(part) * 7919 + i * 2654435761u;
  x ^= x >> 29;
  x *= 0x9E3779B97F4A7C15u;
  return int32_t(x >> 40);
}

StepRun::Vector StepRun::made(int rank, int part, size_t count) const {
  Vector v(count);
  for (size_t i = 0; i < count; ++i) v[i] = value(rank, part, i);
  return v;
}

StepRun::Vector StepRun::summed(int part, size_t count) const {
  Vector sum(count);
  for (int rank = 0; rank < ranks_; ++rank) {
    for (size_t i = 0; i < count; ++i) sum[i] = int32_t(uint32_t(sum[i]) + uint32_t(value(rank, part, i)));
  }
  return sum;
}

void StepRun::fill() {
  using K = Step::Kind;
  const bool root = rank_ == step_.root;
  const auto out_of = [&](auto size) {
    for (int p = 0; p < ranks_; ++p) out_.emplace_back(size(p), -1);
  };
  const auto in_of = [&](auto size) {
    for (int p = 0; p < ranks_; ++p) in_.push_back(made(rank_, p, size(p)));
  };
  data_ = made(rank_, 0, step_.count);
  if (step_.kind == K::kAllGather) {
    data_ = made(rank_, 0, uneven(rank_, 0));
    out_of([&](int p) { return uneven(p, 0); });
  }
  if (step_.kind == K::kGather && root) out_of([&](int) { return step_.count; });
  if (step_.kind == K::kScatter && root) in_of([&](int) { return step_.count; });
  if (step_.kind == K::kReduceScatter) {
    in_of([&](int p) { return uneven(0, p); });
    data_.assign(uneven(0, rank_), -1);
  }
  if (step_.kind == K::kAllToAll) {
    in_of([&](int p) { return uneven(rank_, p); });
    out_of([&](int p) { return uneven(p, rank_); });
  }
  if (step_.kind == K::kRing) out_.emplace_back(step_.count, -1);
  if (step_.kind == K::kAnySource && root) out_of([&](int) { return step_.count; });
  for (const Vector& v : in_) in_bytes_.push_back(bytes(v));
  for (Vector& v : out_) out_bytes_.push_back(bytes(v));
}

Task<> StepRun::call(Group& group) {
  using K = Step::Kind;
  const ReduceSpec sum{ReduceKind::Sum, DType::I32, 1};
  switch (step_.kind) {
    case K::kBarrier:
      return barrier(group);
    case K::kBroadcast:
      return broadcast(group, DType::I32, bytes(data_), step_.root);
    case K::kAllReduce:
      return all_reduce(group, sum, bytes(data_));
    case K::kReduce:
      return reduce(group, sum, bytes(data_), step_.root);
    case K::kAllGather:
      return all_gather(group, DType::I32, bytes(std::as_const(data_)), out_bytes_);
    case K::kGather:
      return gather(group, DType::I32, bytes(std::as_const(data_)), out_bytes_, step_.root);
    case K::kScatter:
      return scatter(group, DType::I32, in_bytes_, bytes(data_), step_.root);
    case K::kReduceScatter:
      return reduce_scatter(group, sum, in_bytes_, bytes(data_));
    case K::kAllToAll:
      return all_to_all(group, DType::I32, in_bytes_, out_bytes_);
    case K::kRing:
      return ring(group);
    default:
      return any_source(group);
  }
}

Task<> StepRun::ring(Group& group) {
  const uint64_t tag = step_.salt % 3;
  SendRequest send(group.channel(), (rank_ + 1) % ranks_, tag, bytes(std::as_const(data_)));
  RecvRequest receive(group.channel(), (rank_ + ranks_ - 1) % ranks_, tag, out_bytes_[0]);
  group.channel().start(send);
  group.channel().start(receive);
  co_await receive.done();
  co_await send.done();
}

Task<> StepRun::any_source(Group& group) {
  const uint64_t tag = 1000 + step_.salt % 1000003;
  if (rank_ != step_.root) {
    SendRequest send(group.channel(), step_.root, tag, bytes(std::as_const(data_)));
    group.channel().start(send);
    co_await send.done();
    co_return;
  }
  std::vector<Vector> by_rank(static_cast<size_t>(ranks_));
  for (int i = 1; i < ranks_; ++i) {
    Vector arrived(step_.count);
    RecvRequest receive(group.channel(), RecvRequest::kAnySource, tag, bytes(arrived));
    group.channel().start(receive);
    co_await receive.done();
    by_rank[size_t(receive.peer())] = std::move(arrived);
  }
  by_rank[size_t(rank_)] = data_;
  out_ = std::move(by_rank);
}

std::string StepRun::wrong() const {
  using K = Step::Kind;
  const bool root = rank_ == step_.root;
  const auto differ = [&](const Vector& got, const Vector& expected, const std::string& what) {
    return got == expected ? std::string() : name() + ": wrong " + what + " at rank " + std::to_string(rank_);
  };
  const auto all_out = [&](auto expected) {
    for (int p = 0; p < ranks_; ++p) {
      std::string bad = differ(out_[size_t(p)], expected(p), "part " + std::to_string(p));
      if (!bad.empty()) return bad;
    }
    return std::string();
  };
  switch (step_.kind) {
    case K::kBarrier:
      return {};
    case K::kBroadcast:
      return differ(data_, made(step_.root, 0, step_.count), "data");
    case K::kAllReduce:
      return differ(data_, summed(0, step_.count), "sum");
    case K::kReduce:
      return differ(data_, root ? summed(0, step_.count) : made(rank_, 0, step_.count), "sum");
    case K::kAllGather:
      return all_out([&](int p) { return made(p, 0, uneven(p, 0)); });
    case K::kGather:
      return root ? all_out([&](int p) { return made(p, 0, step_.count); }) : std::string();
    case K::kScatter:
      return differ(data_, made(step_.root, rank_, step_.count), "part");
    case K::kReduceScatter:
      return differ(data_, summed(rank_, uneven(0, rank_)), "sum");
    case K::kAllToAll:
      return all_out([&](int p) { return made(p, rank_, uneven(p, rank_)); });
    case K::kRing:
      return differ(out_[0], made((rank_ + ranks_ - 1) % ranks_, 0, step_.count), "message");
    default:
      return root ? all_out([&](int p) { return made(p, 0, step_.count); }) : std::string();
  }
}

}  // namespace dlslime
