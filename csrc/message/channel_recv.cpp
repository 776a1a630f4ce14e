// The receiving half of a channel.
#include <algorithm>
#include <cstring>
#include <utility>

#include "message/channel.h"

namespace dlslime {

void Channel::start(RecvRequest& request) {
  request.started_ = true;
  request.order_ = ++order_;
  if (take_arrival(request)) return;
  if (request.any_source_) {
    any_source_.push_back(&request);
    return;
  }
  const int from = request.peer_;
  if (const Status usable = usable_peer(from); !usable.ok()) return request.finish(usable);
  Flow& flow = this->flow(from, request.tag_);
  flow.posted.push_back(&request);
  // Posted before the announcement: say so at once, it saves a round trip. Not where a receive from any source may take the
  // message that this one counts on.
  const size_t size = request.local.size();
  const bool large = !peers_[from]->fetches_message(size) && size > kEagerLimit;
  if (large && !any_source_waits(request.tag_)) send_clear(request, flow.arrivals + flow.posted.size() - 1);
}

bool Channel::any_source_waits(uint64_t tag) const {
  return std::ranges::any_of(any_source_, [&](RecvRequest* request) { return request->tag_ == tag; });
}

bool Channel::take_arrival(RecvRequest& request) {
  int from = request.peer_;
  if (request.any_source_) {
    uint64_t oldest = UINT64_MAX;
    for (auto& [key, flow] : flows_) {
      if (key.tag != request.tag_ || flow.arrived.empty() || flow.arrived.front().order >= oldest) continue;
      oldest = flow.arrived.front().order;
      from = key.peer;
    }
    if (from == RecvRequest::kAnySource) return false;
  }
  Flow& flow = this->flow(from, request.tag_);
  if (flow.arrived.empty()) return false;
  const Arrival arrival = std::move(flow.arrived.front());
  flow.arrived.pop_front();
  request.peer_ = from;
  accept(request, arrival.head, arrival.payload);
  return true;
}

void Channel::arrive(int from, const MessageHead& head, std::span<const std::byte> body) {
  // Engines keep the order of messages: who repeats one or leaves one out is broken or hostile.
  if (const uint64_t due = flow(from, head.tag).arrivals; head.index != due) {
    return distrust(from, "announced message " + std::to_string(head.index) + " of tag " +
                              std::to_string(head.tag) + " where number " + std::to_string(due) + " was due");
  }
  eager_held_[from] += body.size();
  if (eager_held_[from] > kEagerWindow) {
    return distrust(from,
                    "sent more than the " + std::to_string(kEagerWindow) + " bytes that it may send unasked");
  }
  ++flow(from, head.tag).arrivals;
  if (RecvRequest* request = match(from, head)) return accept(*request, head, body);
  flow(from, head.tag).arrived.push_back({head, std::vector<std::byte>(body.begin(), body.end()), ++order_});
  if (head.tag >= kCollectiveTag) listener_.unasked(from, head.fingerprint);
}

// Its receives could wait for ever, or it could fill our memory.
void Channel::distrust(int from, const std::string& what) {
  listener_.peer_failed(
      from, Status(Code::kPeerFailed, "rank " + std::to_string(from) + " " + what).at_peer(from), 0);
}

RecvRequest* Channel::match(int from, const MessageHead& head) {
  Flow& flow = this->flow(from, head.tag);
  RecvRequest* directed = flow.posted.empty() ? nullptr : flow.posted.front();
  const auto any =
      std::ranges::find_if(any_source_, [&](RecvRequest* request) { return request->tag_ == head.tag; });
  if (any != any_source_.end() && (!directed || (*any)->order_ < directed->order_)) {
    RecvRequest* request = *any;
    any_source_.erase(request);
    request->peer_ = from;
    return request;
  }
  if (directed) flow.posted.pop_front();
  return directed;
}

// The receive and the message belong together: take the bytes, or start their transfer.
void Channel::accept(RecvRequest& request, const MessageHead& head, std::span<const std::byte> body) {
  const int from = request.peer_;
  if (head.kind == MessageKind::kEager) consume_credit(from, head.length);
  if (request.cleared_ && request.index_ != head.index) withdraw_clear(request);
  request.index_ = head.index;
  if (refuse(request, head)) return;
  if (head.kind == MessageKind::kEager) {
    if (!body.empty()) std::memcpy(request.local.data(), body.data(), body.size());
    return request.finish({});
  }
  flow(from, request.tag_).receiving.emplace(head.index, &request);
  if (request.landed_) return received(request, {});
  if (!request.cleared_ && peers_[from]->fetches && head.region.id) {
    request.fetching_ = true;
    request.remote = head.region;
    request.transferring_ = true;
    peers_[from]->get(request);
  } else if (!request.cleared_) {
    send_clear(request, head.index);
  }
}

bool Channel::refuse(RecvRequest& request, const MessageHead& head) {
  const int from = request.peer_;
  const bool same_call = request.fingerprint_ == head.fingerprint || request.fingerprint_ == kNoFingerprint;
  if (same_call && head.length == request.local.size()) return false;
  MessageHead gone;
  gone.kind = MessageKind::kReceiveGone;
  gone.code = uint8_t(Code::kMismatch);
  gone.tag = request.tag_;
  gone.index = head.index;
  gone.length = request.local.size();
  if (!left_[from] && !silent(request.tag_)) send_control(from, gone);
  if (!same_call) {
    request.finish(listener_.mismatch(from, head.fingerprint, request.fingerprint_));
  } else {
    request.finish(Status(Code::kMismatch, "rank " + std::to_string(from) + " sends " +
                                               std::to_string(head.length) + " bytes, this rank expects " +
                                               std::to_string(request.local.size()))
                       .at_peer(from));
  }
  return true;
}

void Channel::send_clear(RecvRequest& request, uint64_t index) {
  request.cleared_ = true;
  request.index_ = index;
  request.grant_ = Grant(messenger_.regions(), request.local, Rights::kWrite);
  request.notify_ = messenger_.expect(request, *peers_[request.peer_]);
  MessageHead head;
  head.kind = MessageKind::kClear;
  head.tag = request.tag_;
  head.index = index;
  head.length = request.local.size();
  head.notify = request.notify_;
  head.fingerprint = request.fingerprint_;
  head.region = request.grant_.region();
  send_control(request.peer_, head);
}

// An earlier receive was taken back, so this one gets another message than it was cleared for.
void Channel::withdraw_clear(RecvRequest& request) {
  send_gone(request, MessageKind::kClearGone);
  messenger_.forget_notify(std::exchange(request.notify_, 0));
  request.grant_.reset();
  request.cleared_ = request.landed_ = false;  // what may have landed already was another message
}

void Channel::send_gone(const RecvRequest& request, MessageKind kind) {
  MessageHead head;
  head.kind = kind;
  head.code = uint8_t(Code::kPeerFailed);
  head.tag = request.tag_;
  head.index = request.index_;
  head.notify = request.notify_;
  send_control(request.peer_, head);
}

void Channel::received(RecvRequest& request, Status status) {
  const int from = request.peer_;
  Flow& flow = this->flow(from, request.tag_);
  if (!flow.forget(request)) {
    request.landed_ = true;
    return;
  }
  if (status.ok() && request.fetching_) {
    MessageHead head;
    head.kind = MessageKind::kFetched;
    head.tag = request.tag_;
    head.index = request.index_;
    send_control(from, head);
  }
  request.finish(request.of_peer(std::move(status)));
}

void Channel::consume_credit(int from, size_t bytes) {
  credit_owed_[from] += bytes;
  if (credit_owed_[from] < kCreditStep || left_[from]) return;
  MessageHead head;
  head.kind = MessageKind::kCredit;
  head.length = std::exchange(credit_owed_[from], 0);
  eager_held_[from] -= head.length;
  send_control(from, head);
}

void Channel::on_send_gone(int from, const MessageHead& head) {
  Flow& flow = this->flow(from, head.tag);
  std::erase_if(flow.arrived, [&](const Arrival& a) { return a.head.index == head.index; });
  const auto found = flow.receiving.find(head.index);
  if (found == flow.receiving.end()) return;
  RecvRequest* request = found->second;
  flow.receiving.erase(found);
  if (request->transferring_) peers_[from]->cancel(*request);
  request->transferring_ = false;
  request->finish(
      Status(Code::kPeerFailed, "rank " + std::to_string(from) + " gave up its send").at_peer(from));
}

void Channel::on_lost(int from, const MessageHead& head) {
  Flow& flow = this->flow(from, head.tag);
  const auto found = flow.receiving.find(head.index);
  if (found == flow.receiving.end() || found->second->notify_ != head.notify) return;
  RecvRequest* request = found->second;
  flow.receiving.erase(found);
  request->finish(Status(Code::kPeerFailed, "the message of rank " + std::to_string(from) +
                                                " went to a receive that was given up meanwhile")
                      .at_peer(from));
}

// Others may have cleared a message of the same index.
bool Channel::Flow::forget(const RecvRequest& request) {
  const auto found = receiving.find(request.index_);
  if (found == receiving.end() || found->second != &request) return false;
  receiving.erase(found);
  return true;
}

void Channel::cancel(RecvRequest& request) {
  any_source_.erase(&request);
  const int from = request.peer_;
  if (from == RecvRequest::kAnySource) return;
  Flow& flow = this->flow(from, request.tag_);
  flow.posted.erase(&request);
  const bool matched = flow.forget(request);
  if (request.transferring_) peers_[from]->cancel(request);
  if ((matched || request.cleared_) && !silent(request.tag_) && !left_[from] && peers_[from]->state().ok())
    send_gone(request, matched ? MessageKind::kReceiveGone : MessageKind::kClearGone);
  if (request.notify_) messenger_.forget_notify(request.notify_);
  request.grant_.reset();
}

}  // namespace dlslime
