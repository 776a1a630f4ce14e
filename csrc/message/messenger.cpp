#include "message/messenger.h"

#include <cstring>

#include "message/channel.h"
#include "message/wire.h"

namespace dlslime {

void Messenger::message(Endpoint& from, std::span<const std::byte> bytes) {
  MessageHead head;
  if (bytes.size() < sizeof head) return;
  std::memcpy(&head, bytes.data(), sizeof head);
  const auto found = channels_.find(head.context);
  if (found != channels_.end()) return found->second->message(from, head, bytes.subspan(sizeof head));
  const auto held = held_.find(head.context);
  if (held != held_.end())
    held->second.push_back({&from, std::vector<std::byte>(bytes.begin(), bytes.end())});
}

void Messenger::add(uint64_t context, Channel& channel) { channels_[context] = &channel; }

void Messenger::release(uint64_t context) {
  const auto held = held_.extract(context);
  if (held.empty()) return;
  for (const Held& one : held.mapped()) message(*one.from, one.bytes);
}

uint64_t Messenger::expect(RecvRequest& request) {
  expected_.emplace(next_notify_, &request);
  return next_notify_++;
}

void Messenger::landed(Endpoint&, uint64_t notify) {
  const auto found = expected_.find(notify);
  if (found == expected_.end()) return;
  RecvRequest* request = found->second;
  expected_.erase(found);
  request->completed({});
}

void Messenger::transmit(Endpoint& to, std::span<const std::byte> head, std::span<const std::byte> body) {
  auto& waiting = backlog_[&to];
  if (waiting.empty() && to.post(head, body)) return;
  auto& copy = waiting.emplace_back(head.begin(), head.end());
  copy.insert(copy.end(), body.begin(), body.end());
}

void Messenger::writable(Endpoint& endpoint) {
  auto& waiting = backlog_[&endpoint];
  size_t sent = 0;
  while (sent < waiting.size() && endpoint.post(waiting[sent], {})) ++sent;
  waiting.erase(waiting.begin(), waiting.begin() + ptrdiff_t(sent));
}

bool Messenger::flushed(const Endpoint& endpoint) const {
  const auto found = backlog_.find(&endpoint);
  return (found == backlog_.end() || found->second.empty()) && (!endpoint.state().ok() || endpoint.flushed());
}

void Messenger::down(Endpoint& endpoint, const Status& why) {
  backlog_.erase(&endpoint);
  std::vector<Channel*> all;
  all.reserve(channels_.size());
  for (const auto& [context, channel] : channels_) all.push_back(channel);
  for (Channel* channel : all) channel->down(endpoint, why);
}

}  // namespace dlslime
