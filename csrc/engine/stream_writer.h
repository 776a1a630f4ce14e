// StreamWriter: the sending half of a StreamEndpoint. Messages go ahead of payload frames, never into the middle of one.
//
// Threads:    under the token.   Ownership: queued segments are their poster's; messages are copied.
// Invariants: at most one frame is partly written; cancelling its segment copies the rest of that frame.
#pragma once
#include <array>
#include <deque>
#include <vector>

#include "engine/byte_pipe.h"
#include "engine/engine.h"
#include "engine/stream_frames.h"

namespace dlslime {

class StreamWriter {
 public:
  explicit StreamWriter(BytePipe& pipe) : pipe_(pipe) {}

  // More waits than messages may: answers to a peer that asks and does not take them.
  bool overrun() const {
    return out_.size() - out_begin_ > stream::kMaxAnswers || served_.size() > stream::kMaxServed;
  }
  bool has_room() const { return out_.size() - out_begin_ < stream::kMaxQueued; }
  bool empty() const {
    return out_begin_ == out_.size() && !frame_.active && puts_.empty() && served_.empty();
  }

  void message(std::span<const std::byte> head, std::span<const std::byte> body);
  template <class Head>
  void control(stream::FrameType type, const Head& head) {
    append(stream::FrameHead{type});
    append(head);
  }
  void put(Segment& segment, uint64_t request) { puts_.push_back({&segment, request, 0}); }
  void serve(uint64_t request, uint64_t region, std::span<const std::byte> memory) {
    served_.push_back({request, region, memory, 0});
  }
  void cancel(const Segment& segment);
  void clear();

  bool flush(const RegionTable& regions);  // true: something was written
  // A buffered put whose last byte has been written since the last call, or null.
  Segment* take_written();

 private:
  struct Put {
    Segment* segment;
    uint64_t request;
    size_t moved;
  };
  struct Served {
    uint64_t request, region;
    std::span<const std::byte> memory;
    size_t moved;
  };
  struct Frame {
    bool active = false, begun = false;
    std::array<std::byte, sizeof(stream::FrameHead) + sizeof(stream::PutHead)> head;
    size_t head_size = 0, sent = 0;
    std::span<const std::byte> payload;
    std::vector<std::byte> owned;
    Segment* segment = nullptr;
    bool last_of_buffered = false;
    size_t size() const { return head_size + payload.size(); }
  };

  template <class T>
  void append(const T& value) {
    append_bytes(std::as_bytes(std::span(&value, 1)));
  }
  void append_bytes(std::span<const std::byte> bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  template <class Head>
  void begin_frame(const stream::FrameHead& head, const Head& own, std::span<const std::byte> payload);
  bool next_frame(const RegionTable& regions);
  bool next_put();
  bool next_served(const RegionTable& regions);
  size_t write_once();
  void consume(size_t bytes);

  BytePipe& pipe_;
  std::vector<std::byte> out_;
  size_t out_begin_ = 0;
  Frame frame_;
  std::deque<Put> puts_;
  std::deque<Segment*> written_;
  std::deque<Served> served_;
};

}  // namespace dlslime
