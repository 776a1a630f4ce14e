// SendRequest, RecvRequest: one message on its way. Post it, then `co_await request.done()`.
//
// Threads:    under the token.
// Ownership:  lives in the coroutine's frame; the buffer is the operation's. Destroying an unfinished request takes it back: from
//             then on nobody touches its buffer, and the other side is told.
// Errors:     done() throws a Failure: the operation's own (deadline, abort), or what happened to the message.
// Units:      bytes.
#pragma once
#include <cstddef>
#include <span>

#include "base/wait.h"
#include "engine/engine.h"
#include "memory/region.h"
#include "message/wire.h"

namespace dlslime {

class Channel;

class Request : public Segment {
 public:
  bool finished() const { return finished_; }
  const Status& status() const { return status_; }
  int peer() const { return peer_; }

  class Done final : public Awaiter<Done> {
   public:
    explicit Done(Request& request) : request_(request) { kind_ = Kind::kSignalled; }
    ~Done() override {
      if (request_.waiter_ == this) request_.waiter_ = nullptr;
    }
    template <class P>
    void await_suspend(std::coroutine_handle<P> handle) {
      request_.waiter_ = this;
      suspend(handle, handle.promise().operation);
    }
    void await_resume() {
      resume_or_throw();
      if (!request_.status_.ok()) throw Failure(request_.status_);
    }

   protected:
    friend class Request;
    bool ready() override { return request_.finished(); }
    std::string waiting_for() const override;

   private:
    Request& request_;
  };
  Done done() { return Done(*this); }

 protected:
  friend class Channel;
  Request(Channel& channel, int peer, uint64_t tag, const Fingerprint& fingerprint)
      : channel_(channel), peer_(peer), tag_(tag), fingerprint_(fingerprint) {}
  void finish(Status status);
  Status of_peer(Status status) const;  // a transfer's, which knows no ranks

  Channel& channel_;
  int peer_;
  uint64_t tag_;
  Fingerprint fingerprint_;
  uint64_t index_ = 0;
  bool started_ = false;
  bool transferring_ = false;  // posted to the endpoint as a segment
  Grant grant_;
  uint64_t notify_ = 0;  // what the peer's put will notify; 0: none is expected
  bool finished_ = false;
  Done* waiter_ = nullptr;
  Status status_;
  virtual const char* verb() const = 0;
};

class SendRequest final : public Request {
 public:
  SendRequest(Channel& channel, int to, uint64_t tag, std::span<const std::byte> bytes,
              const Fingerprint& fingerprint = kNoFingerprint);
  ~SendRequest() override;
  void completed(Status status) override;

 private:
  const char* verb() const override { return "send to"; }
};

class RecvRequest final : public Request {
 public:
  static constexpr int kAnySource = -1;
  RecvRequest(Channel& channel, int from, uint64_t tag, std::span<std::byte> into,
              const Fingerprint& fingerprint = kNoFingerprint);
  ~RecvRequest() override;
  void completed(Status status) override;

 private:
  friend class Channel;
  const char* verb() const override { return "receive from"; }
  const bool any_source_;
  bool fetching_ = false;  // by a get of ours, not the peer's put
  bool cleared_ = false;   // kClear has been sent
  bool landed_ = false;    // the put came before its announcement, which had to wait for room
  uint64_t order_ = 0;     // when it was posted
};

}  // namespace dlslime
