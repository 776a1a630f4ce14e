#include "engine/stream_endpoint.h"

#include <algorithm>
#include <cstring>
#include <map>

namespace dlslime {

using stream::FrameHead;
using stream::FrameType;

StreamEndpoint::StreamEndpoint(std::string_view engine, std::unique_ptr<BytePipe> pipe, RegionTable& regions,
                               EndpointHandler& handler)
    : engine_(engine),
      pipe_(std::move(pipe)),
      regions_(regions),
      handler_(handler),
      writer_(*pipe_),
      in_memory_(std::make_unique_for_overwrite<std::byte[]>(stream::kInBuffer)),
      in_(in_memory_.get(), stream::kInBuffer) {}

StreamEndpoint::~StreamEndpoint() = default;

// ---- what the owner asks for ----

bool StreamEndpoint::post(std::span<const std::byte> head, std::span<const std::byte> body) {
  if (!state_.ok()) return true;  // swallowed: down() tells
  if (!writer_.has_room()) return !(refused_ = true);
  writer_.message(head, body);
  flush();
  return true;
}

void StreamEndpoint::put(Segment& segment) {
  segment.request_ = next_request_++;
  puts_.emplace(segment.request_, &segment);
  if (!state_.ok()) return complete(segment, state_);
  writer_.put(segment, segment.request_);
  // While messages are read, the next may take this one back: poll() writes when it has read them.
  if (!reading_) flush();
}

void StreamEndpoint::get(Segment& segment) {
  segment.request_ = next_request_++;
  segment.moved_ = 0;
  gets_.emplace(segment.request_, &segment);
  if (!state_.ok()) return complete(segment, state_);
  writer_.control(FrameType::kGet, stream::GetHead{segment.request_, segment.remote.id, segment.offset,
                                                   segment.local.size(), segment.remote.key});
  flush();
}

void StreamEndpoint::cancel(Segment& segment) {
  puts_.erase(segment.request_);
  gets_.erase(segment.request_);
  finishing_.erase(segment.request_);
  writer_.cancel(segment);
}

bool StreamEndpoint::flush() {
  const bool any = writer_.flush(regions_);
  while (Segment* segment = writer_.take_written()) complete(*segment, {});
  return any;
}

// ---- completion: never inside put, get or post ----

void StreamEndpoint::complete(Segment& segment, Status status) {
  need_poll();
  puts_.erase(segment.request_);
  gets_.erase(segment.request_);
  finishing_.emplace(segment.request_, &segment);
  completed_.emplace_back(segment.request_, std::move(status));
}

void StreamEndpoint::deliver_completions() {
  const auto due = std::exchange(completed_, {});
  for (const auto& [request, status] : due) {
    const auto found = finishing_.find(request);
    if (found == finishing_.end()) continue;  // cancelled meanwhile
    Segment* segment = found->second;
    finishing_.erase(found);
    segment->completed(status);
  }
}

void StreamEndpoint::fail(Status why) {
  if (!state_.ok()) return;
  state_ = std::move(why).via(engine_);
  writer_.clear();
  sink_ = Sink{};
  in_begin_ = in_end_ = 0;
}

void StreamEndpoint::report_down() {
  if (reported_down_) return;
  reported_down_ = true;
  std::map<uint64_t, Segment*> all(puts_.begin(), puts_.end());  // in the order in which they were asked for
  all.insert(gets_.begin(), gets_.end());
  for (const auto& [request, segment] : all) complete(*segment, state_);
  deliver_completions();
  handler_.down(*this, state_);
}

bool StreamEndpoint::poll() {
  if (state_.ok() && !pipe_->state().ok()) {
    while (read_some()) {  // what had arrived before the pipe broke still counts
    }
    fail(pipe_->state());
  }
  bool moved = !completed_.empty();
  if (!state_.ok()) {
    moved |= !reported_down_;
    report_down();
    deliver_completions();
    return moved;
  }
  reading_ = true;
  moved |= read_some();
  reading_ = false;
  moved |= flush();
  deliver_completions();
  if (refused_ && writer_.has_room()) {
    refused_ = false;
    handler_.writable(*this);
  }
  return moved;
}

// ---- reading ----

bool StreamEndpoint::read_some() {
  size_t budget = stream::kReadBudget;
  bool any = false;
  while (budget && state_.ok()) {
    const bool straight = sink_.remaining && in_begin_ == in_end_;
    const size_t got = straight ? read_payload(budget) : read_frames();
    if (got == 0) break;
    any = true;
    budget -= std::min(budget, got);
  }
  return any;
}

// Straight to where it belongs; through in_ where that is gone.
size_t StreamEndpoint::read_payload(size_t most) {
  revalidate_sink();
  const size_t got = pipe_->read(sink_.at ? std::span(sink_.at, std::min(sink_.remaining, most))
                                          : std::span(in_).first(std::min(sink_.remaining, in_.size())));
  payload_arrived(got);
  return got;
}

size_t StreamEndpoint::read_frames() {
  if (in_begin_ == in_end_) in_begin_ = in_end_ = 0;
  if (in_.size() - in_end_ < in_.size() / 2) {
    std::memmove(in_.data(), in_.data() + in_begin_, in_end_ - in_begin_);
    in_end_ -= in_begin_;
    in_begin_ = 0;
  }
  const size_t room = in_.size() - in_end_;
  const size_t got =
      pipe_->read(std::span(in_).subspan(in_end_, after_payload_ ? std::min<size_t>(room, 512) : room));
  in_end_ += got;
  after_payload_ = false;
  if (got && !parse() && state_.ok()) fail(Status(Code::kLinkLost, "the peer sent what is no dlslime frame"));
  if (writer_.overrun() && state_.ok())
    fail(Status(Code::kLinkLost, "the peer asks for more and more and takes no answer"));
  return got;
}

void StreamEndpoint::revalidate_sink() {
  if (!sink_.at) return;
  const bool stands =
      sink_.type == FrameType::kPut ? regions_.valid(sink_.region) : gets_.contains(sink_.request);
  if (!stands) sink_.at = nullptr;
}

void StreamEndpoint::payload_arrived(size_t bytes) {
  sink_.remaining -= bytes;
  if (sink_.at) sink_.at += bytes;
  if (sink_.remaining) return;
  after_payload_ = true;
  const Sink sink = std::exchange(sink_, Sink{});
  if (sink.type == FrameType::kPut) {
    const bool landed = sink.at != nullptr;
    if (landed && !sink.last) return;
    if (landed && sink.notify) handler_.landed(*this, sink.notify);
    if (landed && sink.silent) return;
    writer_.control(FrameType::kPutDone,
                    stream::DoneHead{sink.request, uint64_t(landed ? Code::kOk : Code::kDenied)});
  } else if (const auto found = gets_.find(sink.request); found != gets_.end() && sink.last) {
    complete(*found->second, {});
  }
}

bool StreamEndpoint::parse() {
  while (in_begin_ < in_end_ && state_.ok()) {
    const auto rest = std::span<const std::byte>(in_).subspan(in_begin_, in_end_ - in_begin_);
    if (sink_.remaining) {
      revalidate_sink();
      const size_t n = std::min(rest.size(), sink_.remaining);
      if (sink_.at) std::memcpy(sink_.at, rest.data(), n);
      in_begin_ += n;
      payload_arrived(n);
      continue;
    }
    FrameHead head;
    if (!take(rest, &head)) return true;
    size_t used = 0;
    if (!parse_frame(head, rest.subspan(sizeof head), &used)) return false;
    if (used == 0) return true;  // not all of it is here yet
    in_begin_ += used;
    if (sink_.type != FrameType{} && sink_.remaining == 0) payload_arrived(0);  // an empty put or get
  }
  return true;
}

template <class Head>
bool StreamEndpoint::take(std::span<const std::byte> rest, Head* head) {
  if (rest.size() < sizeof(Head)) return false;
  std::memcpy(head, rest.data(), sizeof(Head));
  return true;
}

// False: no frame of ours. *used stays 0 while more bytes are needed.
bool StreamEndpoint::parse_frame(const FrameHead& head, std::span<const std::byte> rest, size_t* used) {
  auto with = [&](auto own, auto&& handle) {
    if (take(rest, &own)) {
      *used = sizeof(FrameHead) + sizeof(own);
      handle(own);
    }
    return true;
  };
  switch (head.type) {
    case FrameType::kMessage:
      if (head.length > stream::kMaxMessage) return false;
      if (rest.size() < head.length) return true;
      *used = sizeof(FrameHead) + head.length;
      deliver_completions();  // what the peer confirmed before it said this is told before this
      handler_.message(*this, rest.first(head.length));
      return true;
    case FrameType::kPut:
      if (head.length > stream::kFramePayload) return false;
      return with(stream::PutHead{}, [&](const stream::PutHead& put) { on_put(head, put); });
    case FrameType::kGetData:
      if (head.length > stream::kServedPayload) return false;
      return with(stream::DataHead{}, [&](const stream::DataHead& data) { on_data(head, data); });
    case FrameType::kGet:
      return with(stream::GetHead{}, [&](const stream::GetHead& get) { on_get(get); });
    case FrameType::kPutDone:
      return with(stream::DoneHead{}, [&](const stream::DoneHead& done) { on_done(puts_, done); });
    case FrameType::kGetDone:
      return with(stream::DoneHead{}, [&](const stream::DoneHead& done) { on_done(gets_, done); });
  }
  return false;
}

void StreamEndpoint::on_put(const FrameHead& head, const stream::PutHead& put) {
  sink_ = Sink{.type = FrameType::kPut,
               .last = head.last != 0,
               .silent = head.silent != 0,
               .remaining = head.length,
               .region = put.region,
               .request = put.request,
               .notify = put.notify};
  std::byte* at = nullptr;
  const Status allowed = regions_.check({put.region, put.key, put.offset, put.total, Rights::kWrite}, &at);
  const bool inside = put.moved <= put.total && head.length <= put.total - put.moved;
  if (allowed.ok() && inside) sink_.at = at ? at + put.moved : in_.data();  // an empty region may lie nowhere
}

void StreamEndpoint::on_get(const stream::GetHead& get) {
  std::byte* at = nullptr;
  const Status allowed = regions_.check({get.region, get.key, get.offset, get.length, Rights::kRead}, &at);
  if (allowed.ok()) {
    writer_.serve(get.request, get.region, std::span<const std::byte>(at, get.length));
  } else {
    writer_.control(FrameType::kGetDone, stream::DoneHead{get.request, uint64_t(Code::kDenied)});
  }
}

void StreamEndpoint::on_data(const FrameHead& head, const stream::DataHead& data) {
  sink_ = Sink{
      .type = FrameType::kGetData, .last = head.last != 0, .remaining = head.length, .request = data.request};
  const auto found = gets_.find(data.request);
  if (found == gets_.end()) return;  // cancelled: the bytes are thrown away
  Segment& segment = *found->second;
  const size_t size = segment.local.size();
  if (data.offset > size || head.length > size - data.offset) {
    return fail(Status(Code::kLinkLost, "the peer answered a get with more bytes than were asked for"));
  }
  sink_.at = segment.local.data() + data.offset;
}

void StreamEndpoint::on_done(std::unordered_map<uint64_t, Segment*>& waiting, const stream::DoneHead& done) {
  const auto found = waiting.find(done.request);
  if (found == waiting.end()) return;
  Segment& segment = *found->second;
  writer_.cancel(segment);  // refused early: what is left of it need not be sent
  const bool ok = done.code == uint64_t(Code::kOk);
  complete(segment, ok ? Status()
                       : Status(Code::kDenied,
                                "the peer refused access to region " + std::to_string(segment.remote.id)));
}

}  // namespace dlslime
