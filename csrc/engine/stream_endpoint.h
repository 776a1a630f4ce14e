// StreamEndpoint: the engine contract's messages and segments over a BytePipe, written once for sockets, rings and the simulator.
//
// Threads:    under the token.
// Errors:     see Endpoint; a peer that breaks the protocol is disconnected with kLinkLost and what was wrong.
// Invariants: nothing off the wire is used as a length, offset or pointer before it is checked; payload is written to its
//             destination only while its region (put) or request (get) still stands.
#pragma once
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/byte_pipe.h"
#include "engine/engine.h"
#include "engine/stream_frames.h"
#include "engine/stream_writer.h"

namespace dlslime {

class StreamEndpoint : public Endpoint {
 public:
  StreamEndpoint(std::string_view engine, std::unique_ptr<BytePipe> pipe, RegionTable& regions,
                 EndpointHandler& handler);
  ~StreamEndpoint() override;

  bool post(std::span<const std::byte> head, std::span<const std::byte> body) override;
  void put(Segment& segment) override;
  void get(Segment& segment) override;
  void cancel(Segment& segment) override;
  bool written() const override { return writer_.empty(); }
  bool flushed() const override { return writer_.empty() && pipe_->drained(); }
  const Status& state() const override { return state_; }
  std::string_view engine() const override { return engine_; }

  bool poll();            // moves what can move both ways
  void fail(Status why);  // goes down; completions and down() follow at the next poll
  bool pending() const {
    return !completed_.empty() || refused_ || (!state_.ok() && !reported_down_);
  }  // poll() without news

 protected:
  BytePipe& pipe() { return *pipe_; }
  virtual void need_poll() {}  // a completion is due, outside poll() perhaps

 private:
  struct Sink {  // where the payload now arriving goes
    stream::FrameType type{};
    bool last = false, silent = false;
    size_t remaining = 0;
    std::byte* at = nullptr;  // null: thrown away
    uint64_t region = 0, request = 0, notify = 0;
  };

  bool flush();
  bool read_some();
  size_t read_payload(size_t most);
  size_t read_frames();
  bool parse();
  bool parse_frame(const stream::FrameHead& head, std::span<const std::byte> rest, size_t* used);
  template <class Head>
  static bool take(std::span<const std::byte> rest, Head* head);
  void on_put(const stream::FrameHead& head, const stream::PutHead& put);
  void on_get(const stream::GetHead& get);
  void on_data(const stream::FrameHead& head, const stream::DataHead& data);
  void on_done(std::unordered_map<uint64_t, Segment*>& waiting, const stream::DoneHead& done);
  void revalidate_sink();
  void payload_arrived(size_t bytes);
  void deliver_completions();
  void report_down();
  void complete(Segment& segment, Status status);

  const std::string engine_;
  std::unique_ptr<BytePipe> pipe_;
  RegionTable& regions_;
  EndpointHandler& handler_;
  StreamWriter writer_;

  std::unique_ptr<std::byte[]> in_memory_;  // not zeroed: an idle peer's pages are never touched
  std::span<std::byte> in_;
  size_t in_begin_ = 0, in_end_ = 0;
  bool after_payload_ = false;  // probably another payload frame follows: read little more than its head
  Sink sink_;

  uint64_t next_request_ = 1;
  std::unordered_map<uint64_t, Segment*> puts_, gets_;
  std::vector<std::pair<uint64_t, Status>> completed_;  // requests whose completed() is due
  std::unordered_map<uint64_t, Segment*> finishing_;
  bool reading_ = false;  // poll() is
  bool refused_ = false;
  bool reported_down_ = false;
  Status state_;
};

}  // namespace dlslime
