#include "message/channel.h"

#include <algorithm>

namespace dlslime {

Channel::Channel(Messenger& messenger, ChannelListener& listener, uint64_t context, int rank,
                 std::vector<Endpoint*> peers)
    : messenger_(messenger),
      listener_(listener),
      context_(context),
      rank_(rank),
      peers_(std::move(peers)),
      left_(peers_.size()),
      eager_sent_(peers_.size()),
      eager_held_(peers_.size()),
      credit_owed_(peers_.size()) {
  messenger_.add(context_, *this);
}

Channel::~Channel() { messenger_.remove(context_); }

Channel::Flow& Channel::flow(int peer, uint64_t tag) {
  const Key key{peer, tag};
  if (const auto found = flows_.find(key); found != flows_.end()) return found->second;
  if (flows_.size() >= sweep_at_) sweep();
  Flow& made = flows_[key];
  if (const auto rested = resting_.extract(key)) static_cast<Counts&>(made) = rested.mapped();
  return made;
}

// Programs may use a tag once and never again: of those only the counts are kept, by which both sides name their messages.
void Channel::sweep() {
  for (auto at = flows_.begin(); at != flows_.end();) {
    const auto one = at++;
    if (!one->second.idle()) continue;
    resting_.emplace(one->first, static_cast<const Counts&>(one->second));
    flows_.erase(one);
  }
  sweep_at_ = std::max(kFewFlows, 2 * flows_.size());
}

void Channel::send_control(int to, MessageHead head, std::span<const std::byte> body) {
  head.source = rank_;
  head.context = context_;
  messenger_.transmit(*peers_[to], std::as_bytes(std::span(&head, 1)), body);
}

void Channel::message(Endpoint& from, const MessageHead& head, std::span<const std::byte> body) {
  const int source = head.source;
  if (source < 0 || source >= size() || peers_[source] != &from) return;  // not who it says it is
  switch (head.kind) {
    case MessageKind::kEager:
      if (body.size() != head.length) return;
      return arrive(source, head, body);
    case MessageKind::kReady:
      return arrive(source, head, {});
    case MessageKind::kClear:
      return on_clear(source, head);
    case MessageKind::kFetched:
      return on_fetched(source, head);
    case MessageKind::kSendGone:
      return on_send_gone(source, head);
    case MessageKind::kReceiveGone:
      return on_receive_gone(source, head);
    case MessageKind::kClearGone:
      return on_clear_gone(source, head);
    case MessageKind::kLost:
      return on_lost(source, head);
    case MessageKind::kCredit:
      eager_sent_[source] -= std::min(eager_sent_[source], head.length);
      return;
    case MessageKind::kFail: {
      const std::string text(reinterpret_cast<const char*>(body.data()), body.size());
      const Code code =
          head.code && head.code <= uint8_t(Code::kInternal) ? Code(head.code) : Code::kPeerFailed;
      return listener_.peer_failed(
          source, Status(code, "rank " + std::to_string(source) + " reported: " + text).at_peer(source),
          head.index);
    }
    case MessageKind::kBye:
      return on_bye(source, head.length);
    case MessageKind::kCalled:
      return listener_.called(source, head.fingerprint);
  }
}

Status Channel::usable_peer(int rank) const {
  const std::string who = "rank " + std::to_string(rank);
  if (rank < 0 || rank >= size())
    return Status(Code::kInvalid, who + " is not in the group of " + std::to_string(size()));
  if (!peers_[rank]) return Status(Code::kInvalid, who + " is this rank itself");
  if (left_[rank]) return Status(Code::kClosed, who + " has left the group").at_peer(rank);
  return {};
}

// Nothing more will be posted there, and nothing is taken there any more. What has been matched is still on its way.
void Channel::on_bye(int from, uint64_t finished) {
  left_[from] = true;
  const Status gone = listener_.peer_left(from, finished);
  for (auto& [key, flow] : flows_) {
    if (key.peer != from) continue;
    for (RecvRequest* request : std::exchange(flow.posted, {})) request->finish(gone);
    for (auto& [index, request] : std::exchange(flow.sending, {})) {
      if (request->transferring_) peers_[from]->cancel(*request);
      request->finish(gone);
    }
  }
  if (!anybody_left_here()) {
    for (RecvRequest* request : std::exchange(any_source_, {}))
      request->finish(Status(Code::kClosed, "every other rank has left the group"));
  }
}

bool Channel::anybody_left_here() const {
  for (int rank = 0; rank < size(); ++rank) {
    if (peers_[rank] && !left_[rank]) return true;
  }
  return false;
}

void Channel::fail_transfers_from(int rank, const Status& why) {
  for (auto& [key, flow] : flows_) {
    if (key.peer != rank) continue;
    for (auto& [index, request] : std::exchange(flow.receiving, {})) {
      if (request->transferring_) peers_[rank]->cancel(*request);
      request->transferring_ = false;
      request->finish(why);
    }
  }
}

void Channel::down(Endpoint& endpoint, const Status& why) {
#if DLSLIME_PLANT_BUG == 3
  // The simulator must notice: a death that nobody hears of leaves the others to their deadlines.
  if (!why.ok()) return;
#endif
  for (int rank = 0; rank < size(); ++rank) {
    if (peers_[rank] != &endpoint) continue;
    const Status dead = Status(why.code(), "rank " + std::to_string(rank) + ": " + why.what())
                            .at_peer(rank)
                            .via(why.engine());
    // Who has left need not be there any more, except for what it was still sending.
    left_[rank] ? fail_transfers_from(rank, dead) : listener_.peer_failed(rank, dead, 0);
  }
}

void Channel::tell_failure(const Status& why, uint64_t since) {
  std::string text = why.what().substr(0, kMaxReason);
  MessageHead head;
  head.kind = MessageKind::kFail;
  head.code = uint8_t(why.code());
  head.index = since;
  for (int rank = 0; rank < size(); ++rank) {
    if (peers_[rank] && !left_[rank]) send_control(rank, head, std::as_bytes(std::span(text)));
  }
}

void Channel::tell_bye(uint64_t finished) {
  MessageHead head;
  head.kind = MessageKind::kBye;
  head.length = finished;
  for (int rank = 0; rank < size(); ++rank) {
    if (peers_[rank]) send_control(rank, head);
  }
}

void Channel::tell_call(const Fingerprint& fingerprint) {
  MessageHead head;
  head.kind = MessageKind::kCalled;
  head.fingerprint = fingerprint;
  for (int rank = 0; rank < size(); ++rank) {
    if (peers_[rank] && !left_[rank]) send_control(rank, head);
  }
}

bool Channel::flushed() const {
  return std::ranges::all_of(peers_, [&](Endpoint* peer) { return !peer || messenger_.flushed(*peer); });
}

const Fingerprint* Channel::waiting_from(int rank) const {
  const auto found = flows_.find(Key{rank, kCollectiveTag});
  if (found == flows_.end() || found->second.arrived.empty()) return nullptr;
  return &found->second.arrived.front().head.fingerprint;
}

std::vector<int> Channel::unexpected_from() const {
  std::vector<int> ranks;
  for (const auto& [key, flow] : flows_) {
    if (key.tag >= kCollectiveTag && !flow.arrived.empty()) ranks.push_back(key.peer);
  }
  std::ranges::sort(ranks);
  return ranks;
}

}  // namespace dlslime
