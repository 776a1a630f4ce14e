#include "torch_ext/jobs.h"

#include <algorithm>
#include <deque>

namespace dlslime {
namespace {

// Beyond every tag of a user's.
constexpr uint64_t kMonitorTags = uint64_t(1) << 40, kHandshakeTags = uint64_t(1) << 41;

std::string rank_text(int rank) { return "rank " + std::to_string(rank); }

constexpr size_t kSmallPart = 64 << 10, kMostTogether = 1 << 20;  // bytes
constexpr size_t kMostParts = 1024;                               // some 20 us under the token

// Small all_reduces of one kind in a row travel as one, which is as good bit for bit: how many, from the first on. By nothing that
// may differ from rank to rank.
size_t together(std::span<const CollectiveArgs> all) {
  const CollectiveArgs& first = all[0];
  const auto fits =
      [&](const CollectiveArgs& args) {  // a factor is each rank's own: others might pack otherwise
        return args.kind == CollectiveKind::kAllReduce && args.spec.kind == first.spec.kind &&
               args.spec.kind != ReduceKind::PremulSum && args.spec.dtype == first.spec.dtype &&
               args.layout == first.layout && args.output.size() <= kSmallPart;
      };
  size_t count = 0, bytes = 0;
  for (; count < std::min(all.size(), kMostParts) && fits(all[count]); ++count) {
    bytes += all[count].output.size();
    if (bytes > kMostTogether) break;
  }
  return std::max<size_t>(count, 1);
}

Task<> run_together(Group& group, std::span<const CollectiveArgs> all) {
  std::vector<Bytes> parts;
  for (const CollectiveArgs& args : all) parts.push_back(args.output);
  return all_reduce_together(group, all[0].spec, std::move(parts), all[0].layout);
}

}  // namespace

void check_apart(std::span<const CollectiveArgs> all) {
  std::vector<Bytes> summed;
  for (const CollectiveArgs& args : all) {
    if (args.kind == CollectiveKind::kAllReduce && !args.output.empty()) summed.push_back(args.output);
  }
  std::ranges::sort(summed, {}, [](const Bytes& bytes) { return bytes.data(); });
  const auto meet = [](const Bytes& one, const Bytes& next) { return one.data() + one.size() > next.data(); };
  TORCH_CHECK_VALUE(std::ranges::adjacent_find(summed, meet) == summed.end(),
                    "dlslime: all_reduce_coalesced needs tensors that don't overlap: two of these do");
}

// ---- point-to-point ----

std::string Message::describe() const {
  const std::string who = peer == RecvRequest::kAnySource ? "any rank" : rank_text(peer);
  return (sends ? "send to " : "recv from ") + who + " (" + std::to_string(bytes.size()) + " bytes, tag " +
         std::to_string(tag) + ")";
}

Task<> MessageJob::body() {
  started();
  return message_.sends ? send() : receive();
}

Task<> MessageJob::send() {
  SendRequest request(group().channel(), message_.peer, uint64_t(message_.tag), message_.bytes);
  group().channel().start(request);
  co_await request.done();
}

Task<> MessageJob::receive() {
  RecvRequest request(group().channel(), message_.peer, uint64_t(message_.tag), message_.bytes);
  group().channel().start(request);
  co_await request.done();
  source_ = request.peer();
}

// ---- batches ----

BatchJob::BatchJob(std::shared_ptr<Member> member, Deadline deadline, Parts parts)
    : Job(std::move(member), parts.collectives.empty() ? Order::kFree : Order::kOrdered, deadline),
      parts_(std::move(parts)) {}

Task<> BatchJob::body() {
  started();
  Channel& channel = group().channel();
  std::deque<SendRequest> sends;
  std::deque<RecvRequest> receives;
  for (const Message& message : parts_.messages) {
    if (message.sends)
      channel.start(sends.emplace_back(channel, message.peer, uint64_t(message.tag), message.bytes));
    else
      channel.start(receives.emplace_back(channel, message.peer, uint64_t(message.tag), message.bytes));
  }
  const std::span<const CollectiveArgs> all(parts_.collectives);
  for (size_t i = 0; i < all.size();) {
    const size_t count = together(all.subspan(i));
    if (count > 1)
      co_await run_together(group(), all.subspan(i, count));
    else
      co_await all[i].run(group());
    i += count;
  }
  for (RecvRequest& request : receives) co_await request.done();
  for (SendRequest& request : sends) co_await request.done();
}

std::string BatchJob::call() const {
  constexpr size_t kNamed = 4;
  std::string text = "coalesced(";
  size_t named = 0;
  for (const CollectiveArgs& args : parts_.collectives) {
    if (named++ < kNamed) text += (named > 1 ? ", " : "") + args.describe();
  }
  for (const Message& message : parts_.messages) {
    if (named++ < kNamed) text += (named > 1 ? ", " : "") + message.describe();
  }
  if (named > kNamed) text += ", and " + std::to_string(named - kNamed) + " more";
  return text + ")";
}

// ---- the handshake ----

// In round k everybody hears from 2^k before it: who has heard in all rounds has heard of all
// (dissemination).
Task<> HandshakeJob::body() {
  Channel& channel = group().channel();
  const int n = group().size(), me = group().rank();
  for (int step = 1, round = 0; step < n; step *= 2, ++round) {
    const uint64_t tag = kHandshakeTags + phase_ * 64 + uint64_t(round);
    SendRequest to(channel, (me + step) % n, tag, ConstBytes{});
    RecvRequest from(channel, (me - step + n) % n, tag, Bytes{});
    channel.start(to);
    channel.start(from);
    co_await from.done();
    co_await to.done();
  }
}

// ---- the monitored barrier ----

Task<> MonitoredBarrierJob::body() {
  started();
  return group().rank() == 0 ? lead() : follow();
}

uint64_t MonitoredBarrierJob::tag() const { return kMonitorTags + terms_.number; }

Task<> MonitoredBarrierJob::lead() {
  Channel& channel = group().channel();
  std::deque<RecvRequest> arrivals;
  for (int rank = 1; rank < group().size(); ++rank)
    channel.start(arrivals.emplace_back(channel, rank, tag(), Bytes{}));
  std::string missing;
  int count = 0;
  try {
    for (RecvRequest& arrival : arrivals) co_await arrival.done();
  } catch (const Failure& failure) {
    if (failure.status().code() != Code::kTimeout) throw;
    for (const RecvRequest& arrival : arrivals) {
      if (arrival.finished() || (count && !terms_.name_all)) continue;
      missing += (count++ ? ", " : "") + std::to_string(arrival.peer());
    }
  }
  if (count) {
    throw Failure(Status(Code::kTimeout, "[Rank 0]: Rank" + std::string(count > 1 ? "s " : " ") + missing +
                                             " failed to pass monitoredBarrier in " +
                                             std::to_string(terms_.timeout.count()) + " ms"));
  }
  std::deque<SendRequest> answers;
  for (int rank = 1; rank < group().size(); ++rank)
    channel.start(answers.emplace_back(channel, rank, tag(), ConstBytes{}));
  for (SendRequest& answer : answers) co_await answer.done();
}

Task<> MonitoredBarrierJob::follow() {
  Channel& channel = group().channel();
  SendRequest arrival(channel, 0, tag(), ConstBytes{});
  RecvRequest answer(channel, 0, tag(), Bytes{});
  channel.start(arrival);
  channel.start(answer);
  bool late = false;
  try {
    co_await arrival.done();
    co_await answer.done();
  } catch (const Failure& failure) {
    if (failure.status().code() != Code::kTimeout) throw;
    late = true;
  }
  if (!late) co_return;
  throw Failure(Status(Code::kTimeout,
                       "rank " + std::to_string(group().rank()) +
                           " successfully reached monitoredBarrier, but received no answer from rank 0 in " +
                           std::to_string(terms_.timeout.count()) +
                           " ms: see rank 0 for the ranks that are missing")
                    .at_peer(0));
}

// ---- sparse ----

SparseGatherJob::SparseGatherJob(std::shared_ptr<Member> member, Deadline deadline, Input input)
    : Job(std::move(member), Order::kOrdered, deadline), input_(std::move(input)) {}

std::string SparseGatherJob::call() const {
  return std::string("all_reduce(sum, sparse ") + name_of(input_.dtype) + ", " +
         std::to_string(input_.indices.size() + input_.values.size()) + " bytes) #" +
         std::to_string(input_.sequence);
}

namespace {
std::vector<Bytes> slices(std::vector<int64_t>& all, int parts) {
  std::vector<Bytes> out;
  const size_t each = all.size() / size_t(parts);
  for (int i = 0; i < parts; ++i)
    out.push_back(std::as_writable_bytes(std::span(all).subspan(size_t(i) * each, each)));
  return out;
}
}  // namespace

void SparseGatherJob::compare_shapes(const std::vector<int64_t>& all) const {
  const size_t each = input_.shape.size();
  for (int rank = 0; rank < group().size(); ++rank) {
    if (std::equal(input_.shape.begin(), input_.shape.end(), all.begin() + ptrdiff_t(size_t(rank) * each)))
      continue;
    throw Failure(Status(Code::kMismatch, rank_text(rank) +
                                              " has a sparse tensor of another shape than rank " +
                                              std::to_string(group().rank()))
                      .at_peer(rank));
  }
}

void SparseGatherJob::make_room(const std::vector<int64_t>& sizes) {
  pieces_.resize(size_t(group().size()));
  for (size_t rank = 0; rank < pieces_.size(); ++rank) {
    pieces_[rank].indices.resize(size_t(sizes[2 * rank]));
    pieces_[rank].values.resize(size_t(sizes[2 * rank + 1]));
  }
}

Task<> SparseGatherJob::body() {
  started();
  const int ranks = group().size();
  std::vector<int64_t> shapes(input_.shape.size() * size_t(ranks)), sizes(size_t(ranks) * 2);
  const std::vector<int64_t> mine{int64_t(input_.indices.size()), int64_t(input_.values.size())};
  const std::vector<Bytes> shape_slices = slices(shapes, ranks), size_slices = slices(sizes, ranks);
  co_await all_gather(group(), DType::I64, std::as_bytes(std::span(input_.shape)), shape_slices);
  compare_shapes(shapes);
  co_await all_gather(group(), DType::I64, std::as_bytes(std::span(mine)), size_slices);
  make_room(sizes);
  std::vector<Bytes> indices, values;
  for (Piece& piece : pieces_) {
    indices.emplace_back(piece.indices);
    values.emplace_back(piece.values);
  }
  co_await all_gather(group(), DType::I64, input_.indices, indices);
  co_await all_gather(group(), input_.dtype, input_.values, values);
}

}  // namespace dlslime
