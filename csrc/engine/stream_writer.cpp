#include "engine/stream_writer.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace dlslime {

using stream::FrameHead;
using stream::FrameType;

namespace {
iovec iovec_of(std::span<const std::byte> bytes) {
  return {const_cast<std::byte*>(bytes.data()), bytes.size()};
}
}  // namespace

void StreamWriter::message(std::span<const std::byte> head, std::span<const std::byte> body) {
  const FrameHead frame{.type = FrameType::kMessage, .length = uint32_t(head.size() + body.size())};
  size_t written = 0;
  if (out_begin_ == out_.size() &&
      !frame_.active) {  // straight from the caller's memory, as far as the pipe takes it
    const std::array<iovec, 3> parts{iovec_of(std::as_bytes(std::span(&frame, 1))), iovec_of(head),
                                     iovec_of(body)};
    written = pipe_.write(std::span(parts.data(), body.empty() ? 2 : 3));
  }
  for (const auto part : {std::as_bytes(std::span(&frame, 1)), head, body}) {
    const size_t skip = std::min(written, part.size());
    append_bytes(part.subspan(skip));
    written -= skip;
  }
}

template <class Head>
void StreamWriter::begin_frame(const FrameHead& head, const Head& own, std::span<const std::byte> payload) {
  std::memcpy(frame_.head.data(), &head, sizeof head);
  std::memcpy(frame_.head.data() + sizeof head, &own, sizeof own);
  frame_.head_size = sizeof head + sizeof own;
  frame_.payload = payload;
  frame_.sent = 0;
  frame_.active = true;
  frame_.begun = false;
}

bool StreamWriter::next_put() {
  if (puts_.empty()) return false;
  Put& put = puts_.front();
  Segment& segment = *put.segment;
  const size_t size = std::min(segment.local.size() - put.moved, stream::kFramePayload);
  const bool last = put.moved + size == segment.local.size();
  begin_frame(FrameHead{.type = FrameType::kPut,
                        .last = uint8_t(last),
                        .silent = uint8_t(segment.buffered),
                        .length = uint32_t(size)},
              stream::PutHead{put.request, segment.remote.id, segment.offset, segment.local.size(), put.moved,
                              last ? segment.notify : 0, segment.remote.key},
              segment.local.subspan(put.moved, size));
  frame_.segment = &segment;
  frame_.last_of_buffered = last && segment.buffered;
  put.moved += size;
  if (last) puts_.pop_front();
  return true;
}

bool StreamWriter::next_served(const RegionTable& regions) {
  if (served_.empty()) return false;
  Served& served = served_.front();
  if (!regions.valid(served.region)) {  // revoked half-way
    control(FrameType::kGetDone, stream::DoneHead{served.request, uint64_t(Code::kDenied)});
    served_.pop_front();
    return false;
  }
  const auto part = served.memory.subspan(
      served.moved, std::min(served.memory.size() - served.moved, stream::kServedPayload));
  // A copy: the region may be revoked while the frame is on its way.
  frame_.owned.assign(part.begin(), part.end());
  const bool last = served.moved + part.size() == served.memory.size();
  begin_frame(FrameHead{.type = FrameType::kGetData, .last = uint8_t(last), .length = uint32_t(part.size())},
              stream::DataHead{served.request, served.moved}, frame_.owned);
  frame_.segment = nullptr;
  frame_.last_of_buffered = false;
  served.moved += part.size();
  if (last) served_.pop_front();
  return true;
}

bool StreamWriter::next_frame(const RegionTable& regions) { return next_put() || next_served(regions); }

size_t StreamWriter::write_once() {
  std::array<iovec, 3> parts;
  size_t count = 0;
  auto add = [&](const std::byte* data, size_t size) {
    if (size) parts[count++] = {const_cast<std::byte*>(data), size};
  };
  auto add_out = [&] { add(out_.data() + out_begin_, out_.size() - out_begin_); };
  auto add_frame = [&] {
    if (!frame_.active) return;
    const size_t head = std::min(frame_.sent, frame_.head_size);
    const size_t body = frame_.sent - head;
    add(frame_.head.data() + head, frame_.head_size - head);
    add(frame_.payload.data() + body, frame_.payload.size() - body);
  };
#if DLSLIME_PLANT_BUG == 2
  // The simulator must notice: a message slips into the middle of a payload frame.
  add_out(), add_frame();
#else
  if (frame_.begun)
    add_frame(), add_out();
  else
    add_out(), add_frame();
#endif
  return count ? pipe_.write(std::span(parts.data(), count)) : 0;
}

void StreamWriter::consume(size_t bytes) {
  auto take_out = [&] {
    const size_t n = std::min(bytes, out_.size() - out_begin_);
    out_begin_ += n;
    bytes -= n;
    if (out_begin_ == out_.size()) out_.clear(), out_begin_ = 0;
  };
  auto take_frame = [&] {
    if (!frame_.active) return;
    const size_t n = std::min(bytes, frame_.size() - frame_.sent);
    frame_.sent += n;
    bytes -= n;
    frame_.begun |= n > 0;
    if (frame_.sent < frame_.size()) return;
    frame_.active = frame_.begun = false;
    Segment* segment = std::exchange(frame_.segment, nullptr);
    if (segment && frame_.last_of_buffered) written_.push_back(segment);
  };
#if DLSLIME_PLANT_BUG == 2
  take_out(), take_frame();
#else
  if (frame_.begun)
    take_frame(), take_out();
  else
    take_out(), take_frame();
#endif
}

bool StreamWriter::flush(const RegionTable& regions) {
  bool any = false;
  while (true) {
    if (!frame_.active) next_frame(regions);
    const size_t written = write_once();
    if (written == 0) break;
    consume(written);
    any = true;
  }
  if (out_begin_ > stream::kMaxQueued) {  // keep the front of a long queue from growing without bound
    out_.erase(out_.begin(), out_.begin() + ptrdiff_t(out_begin_));
    out_begin_ = 0;
  }
  pipe_.want_writable(!empty());
  return any;
}

Segment* StreamWriter::take_written() {
  if (written_.empty()) return nullptr;
  Segment* segment = written_.front();
  written_.pop_front();
  return segment;
}

void StreamWriter::cancel(const Segment& segment) {
  std::erase_if(puts_, [&](const Put& put) { return put.segment == &segment; });
  std::erase(written_, &segment);
  if (!frame_.active || frame_.segment != &segment) return;
  frame_.segment = nullptr;
  if (!frame_.begun) {
    frame_.active = false;
    return;
  }
  frame_.owned.assign(frame_.payload.begin(), frame_.payload.end());
  frame_.payload = frame_.owned;
}

void StreamWriter::clear() {
  out_.clear();
  out_begin_ = 0;
  frame_ = Frame{};
  puts_.clear();
  written_.clear();
  served_.clear();
}

}  // namespace dlslime
