#include "message/request.h"

#include "message/channel.h"

namespace dlslime {

void Request::finish(Status status) {
  if (finished_) return;
  finished_ = true;
  grant_.reset();  // from here on nobody may touch the buffer, nor may anything be told to this request
  if (notify_) channel_.messenger_.forget_notify(std::exchange(notify_, 0));
  status_ = std::move(status);
  if (Done* waiter = std::exchange(waiter_, nullptr)) waiter->wake();
}

Status Request::of_peer(Status status) const {
  if (status.ok()) return status;
  return Status(status.code(), "rank " + std::to_string(peer_) + ": " + status.what())
      .at_peer(peer_)
      .via(status.engine());
}

std::string Request::Done::waiting_for() const {
  const std::string who = request_.peer_ < 0 ? "any rank" : "rank " + std::to_string(request_.peer_);
  return std::string("waiting to ") + request_.verb() + " " + who;
}

SendRequest::SendRequest(Channel& channel, int to, uint64_t tag, std::span<const std::byte> bytes,
                         const Fingerprint& fingerprint)
    : Request(channel, to, tag, fingerprint) {
  local = {const_cast<std::byte*>(bytes.data()), bytes.size()};  // a Segment's memory is written by gets only
  // As everybody's: done when the buffer is free, so that both directions of a ping-pong overlap.
  buffered = true;
}

SendRequest::~SendRequest() {
  if (started_ && !finished_) channel_.cancel(*this);
}

// Denied: the receive has been taken back. What its rank says of that comes behind the denial, and decides: the message is for the
// next receive, or for none.
void SendRequest::completed(Status status) {
  transferring_ = false;
  if (status.code() == Code::kDenied) return;
  channel_.flow(peer_, tag_).sending.erase(index_);
  finish(of_peer(std::move(status)));
}

RecvRequest::RecvRequest(Channel& channel, int from, uint64_t tag, std::span<std::byte> into,
                         const Fingerprint& fingerprint)
    : Request(channel, from, tag, fingerprint), any_source_(from == kAnySource) {
  local = into;
}

RecvRequest::~RecvRequest() {
  if (started_ && !finished_) channel_.cancel(*this);
}

// The bytes are here: by a get of ours, or because the peer's put has landed.
void RecvRequest::completed(Status status) {
  transferring_ = false;
  channel_.received(*this, std::move(status));
}

}  // namespace dlslime
