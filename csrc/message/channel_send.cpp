// The sending half of a channel.
#include <algorithm>
#include <utility>

#include "message/channel.h"

namespace dlslime {

void Channel::start(SendRequest& request) {
  const int to = request.peer_;
  request.started_ = true;
  if (const Status usable = usable_peer(to); !usable.ok()) return request.finish(usable);
  Flow& flow = this->flow(to, request.tag_);
  request.index_ = flow.sends++;
  const size_t size = request.local.size();
  const size_t most = peers_[to]->peer_fetches_message(size) ? kEagerLimitFetched : kEagerLimit;
  if (size <= most && eager_sent_[to] + size <= kEagerWindow) return send_eager(request, flow);
  announce(request, flow);
}

void Channel::send_eager(SendRequest& request, Flow& flow) {
  MessageHead head;
  head.kind = MessageKind::kEager;
  head.tag = request.tag_;
  head.index = request.index_;
  head.length = request.local.size();
  head.fingerprint = request.fingerprint_;
  eager_sent_[request.peer_] += request.local.size();
  flow.clears.erase(request.index_);
  send_control(request.peer_, head, request.local);
  request.finish({});
}

void Channel::announce(SendRequest& request, Flow& flow) {
  MessageHead head;
  head.kind = MessageKind::kReady;
  head.tag = request.tag_;
  head.index = request.index_;
  head.length = request.local.size();
  head.fingerprint = request.fingerprint_;
  const Endpoint& peer = *peers_[request.peer_];
  if (peer.peer_fetches_message(request.local.size())) {
    request.grant_ = Grant(messenger_.regions(), request.local, Rights::kRead);
    if (messenger_.regions().shown(request.grant_.region().id)) head.region = request.grant_.region();
  }
  flow.sending.emplace(request.index_, &request);
  send_control(request.peer_, head);
  if (const auto early = flow.clears.find(request.index_); early != flow.clears.end()) {
    const MessageHead clear = early->second;
    flow.clears.erase(early);
    begin_put(request, clear);
  }
}

void Channel::begin_put(SendRequest& request, const MessageHead& clear) {
  if (clear.length != request.local.size()) return;  // the receiver finds out from kReady and refuses
  request.remote = clear.region;
  request.notify = clear.notify;
  request.transferring_ = true;
  peers_[request.peer_]->put(request);
}

// Where an earlier receive has been taken back, two may clear the same message: the later one is right.
void Channel::on_clear(int from, const MessageHead& head) {
  Flow& flow = this->flow(from, head.tag);
  const auto found = flow.sending.find(head.index);
  if (found != flow.sending.end()) {
    SendRequest& request = *found->second;
    if (request.transferring_ && request.notify == head.notify) return;
    if (std::exchange(request.transferring_, false)) peers_[from]->cancel(request);
    begin_put(request, head);
  } else if (head.index >= flow.sends) {
    flow.clears.insert_or_assign(head.index, head);
  } else if (!silent(head.tag) && !left_[from]) {
    MessageHead lost = head;
    lost.kind = MessageKind::kLost;
    lost.region = {};
    send_control(from, lost);
  }
}

// Another receive will have the message: it stays announced, and goes from its start.
void Channel::on_clear_gone(int from, const MessageHead& head) {
  Flow& flow = this->flow(from, head.tag);
  const auto early = flow.clears.find(head.index);
  if (early != flow.clears.end() && early->second.notify == head.notify) flow.clears.erase(early);
  const auto found = flow.sending.find(head.index);
  if (found == flow.sending.end() || found->second->notify != head.notify) return;
  if (std::exchange(found->second->transferring_, false)) peers_[from]->cancel(*found->second);
}

void Channel::on_fetched(int from, const MessageHead& head) {
  Flow& flow = this->flow(from, head.tag);
  const auto found = flow.sending.find(head.index);
  if (found == flow.sending.end() || found->second->transferring_) return;
  SendRequest* request = found->second;
  flow.sending.erase(found);
  request->finish({});
}

void Channel::on_receive_gone(int from, const MessageHead& head) {
  Flow& flow = this->flow(from, head.tag);
  flow.clears.erase(head.index);
  const auto found = flow.sending.find(head.index);
  if (found == flow.sending.end()) return;
  SendRequest* request = found->second;
  flow.sending.erase(found);
  if (request->transferring_) peers_[from]->cancel(*request);
  request->transferring_ = false;
  const bool mismatch = head.code == uint8_t(Code::kMismatch);
  std::string why = "rank " + std::to_string(from);
  why += mismatch ? " expects " + std::to_string(head.length) + " bytes, this rank sends " +
                        std::to_string(request->local.size())
                  : " gave up its receive";
  request->finish(Status(mismatch ? Code::kMismatch : Code::kPeerFailed, why).at_peer(from));
}

void Channel::cancel(SendRequest& request) {
  const int to = request.peer_;
  flow(to, request.tag_).sending.erase(request.index_);
  if (request.transferring_) peers_[to]->cancel(request);
  request.grant_.reset();
  if (silent(request.tag_) || left_[to] || !peers_[to]->state().ok()) return;
  MessageHead head;
  head.kind = MessageKind::kSendGone;
  head.tag = request.tag_;
  head.index = request.index_;
  send_control(to, head);
}

}  // namespace dlslime
