#include "collective/step_run.h"

#include <algorithm>

#include "collective/collectives.h"
#include "message/request.h"

namespace dlslime {

using K = Step::Kind;

bool StepRun::flat(const Plan& plan) const {
  const bool scatters = step_.kind == K::kReduceScatter;
  size_t most = scatters ? 0 : step_.count;
  for (int p = 0; scatters && p < ranks_; ++p) most = std::max(most, step_.part(p));
  return plan.choose(scatters ? CollectiveKind::kReduceScatter : CollectiveKind::kAllReduce, Way::kHosts,
                     most * size_of(step_.dtype)) == Algorithm::kFlat;
}

void StepRun::fill() {
  private_ = made(rank_, 0, step_.kind == K::kAllGather ? step_.part(rank_) : step_.count);
  if (step_.kind == K::kReduceScatter) private_ = empty(step_.part(rank_));
  data_ = private_;
  if (step_.kind == K::kRing) out_.push_back(empty(step_.count));
  fill_parts();
  for (const ByteVector& v : in_) in_bytes_.push_back(v);
  for (ByteVector& v : out_) out_bytes_.push_back(v);
}

void StepRun::fill_parts() {
  const bool root = rank_ == step_.root;
  for (int p = 0; p < ranks_; ++p) {
    if (step_.kind == K::kAllGather) out_.push_back(empty(step_.part(p)));
    if (step_.kind == K::kReduceScatter) in_.push_back(made(rank_, p, step_.part(p)));
    if (step_.kind == K::kAllToAll) {
      in_.push_back(made(rank_, p, step_.part(rank_, p)));
      out_.push_back(empty(step_.part(p, rank_)));
    }
    if (step_.kind == K::kScatter && root) in_.push_back(made(rank_, p, step_.count));
    if ((step_.kind == K::kGather || step_.kind == K::kAnySource) && root) out_.push_back(empty(step_.count));
  }
}

void StepRun::move_to_heap() {
  const Status allocated = heap_->allocate(private_.size(), &data_);
  if (!allocated.ok()) throw Failure(allocated);
  copy(data_, private_);
}

Task<> StepRun::call(Group& group) {
  const ReduceSpec spec{step_.op, step_.dtype, factor_of(step_, rank_)};
  const ConstBytes in(data_);
  switch (step_.kind) {
    case K::kBarrier:
      return barrier(group);
    case K::kBroadcast:
      return broadcast(group, step_.dtype, data_, step_.root);
    case K::kAllReduce:
      if (step_.together()) return all_reduce_together(group, spec, in_pieces(), Layout::kRows);
      return all_reduce(group, spec, data_);
    case K::kReduce:
      return reduce(group, spec, data_, step_.root);
    case K::kAllGather:
      return all_gather(group, step_.dtype, in, out_bytes_);
    case K::kGather:
      return gather(group, step_.dtype, in, out_bytes_, step_.root);
    case K::kScatter:
      return scatter(group, step_.dtype, in_bytes_, data_, step_.root);
    case K::kReduceScatter:
      return reduce_scatter(group, spec, in_bytes_, data_);
    case K::kAllToAll:
      return all_to_all(group, step_.dtype, in_bytes_, out_bytes_);
    case K::kRing:
      return ring(group);
    default:
      return any_source(group);
  }
}

// Of many lengths, the last one first: what is written behind a piece's end is wrong in another.
std::vector<Bytes> StepRun::in_pieces() const {
  std::vector<Bytes> pieces;
  size_t elements = 0;
  for (Bytes rest = data_; !rest.empty(); elements = (elements * 3 + 1) % 20011) {
    const size_t bytes = std::min(elements * size_of(step_.dtype), rest.size());
    pieces.push_back(rest.first(bytes));
    rest = rest.subspan(bytes);
  }
  std::ranges::reverse(pieces);
  return pieces;
}

Task<> StepRun::ring(Group& group) {
  const uint64_t tag = step_.salt % 3;
  SendRequest send(group.channel(), (rank_ + 1) % ranks_, tag, data_);
  RecvRequest receive(group.channel(), (rank_ + ranks_ - 1) % ranks_, tag, out_bytes_[0]);
  group.channel().start(send);
  group.channel().start(receive);
  co_await receive.done();
  co_await send.done();
}

Task<> StepRun::any_source(Group& group) {
  const uint64_t tag = 1000 + step_.salt % 1000003;
  if (rank_ != step_.root) {
    SendRequest send(group.channel(), step_.root, tag, data_);
    group.channel().start(send);
    co_await send.done();
    co_return;
  }
  std::vector<ByteVector> by_rank(static_cast<size_t>(ranks_));
  for (int i = 1; i < ranks_; ++i) {
    ByteVector arrived = empty(step_.count);
    RecvRequest receive(group.channel(), RecvRequest::kAnySource, tag, arrived);
    group.channel().start(receive);
    co_await receive.done();
    by_rank[size_t(receive.peer())] = std::move(arrived);
  }
  by_rank[size_t(rank_)] = {data_.begin(), data_.end()};
  out_ = std::move(by_rank);
}

ByteVector StepRun::expected_data() const {
  const bool root = rank_ == step_.root;
  switch (step_.kind) {
    case K::kBroadcast:
      return made(step_.root, 0, step_.count);
    case K::kScatter:
      return made(step_.root, rank_, step_.count);
    case K::kAllReduce:
      return sum(0, step_.count);
    case K::kReduce:
      // By messages, in rank order, wherever the ranks are.
      return root ? reduced(step_, on_one_host(ranks_), 0, step_.count) : made(rank_, 0, step_.count);
    case K::kReduceScatter:
      return sum(rank_, step_.part(rank_));
    case K::kAllGather:
      return made(rank_, 0, step_.part(rank_));
    default:
      return made(rank_, 0, step_.count);  // it only gives
  }
}

std::string StepRun::wrong() const {
  const auto complain = [&](const std::string& what) {
    return name() + ": wrong " + what + " at rank " + std::to_string(rank_);
  };
  if (!std::ranges::equal(data_, expected_data())) return complain("data");
  for (int p = 0; p < int(out_.size()); ++p) {
    const auto expected = [&] {
      if (step_.kind == K::kAllGather) return made(p, 0, step_.part(p));
      if (step_.kind == K::kAllToAll) return made(p, rank_, step_.part(p, rank_));
      if (step_.kind == K::kRing) return made((rank_ + ranks_ - 1) % ranks_, 0, step_.count);
      return made(p, 0, step_.count);
    };
    if (out_[size_t(p)] != expected()) return complain("part " + std::to_string(p));
  }
  return {};
}

}  // namespace dlslime
