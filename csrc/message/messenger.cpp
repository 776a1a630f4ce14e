#include "message/messenger.h"

#include <algorithm>
#include <cstring>

#include "base/executor.h"
#include "message/channel.h"
#include "message/wire.h"

namespace dlslime {

class Messenger::Outflow final : public Operation {
 public:
  explicit Outflow(Messenger& messenger)
      : Operation(&messenger, Order::kFree, kNever), messenger_(messenger) {}
  Task<> body() override {
    do {  // again: between the last look and its turn others may have posted
      co_await until([this] { return messenger_.all_written(); });
    } while (!messenger_.all_written());
  }
  std::string describe() const override { return "sending what was posted"; }

 private:
  Messenger& messenger_;
};

Messenger::Messenger(Executor& executor, RegionTable& regions) : executor_(executor), regions_(regions) {}

Messenger::~Messenger() { executor_.retire(*this); }

void Messenger::see_out(Endpoint& endpoint) {
  if (std::ranges::find(unwritten_, &endpoint) == unwritten_.end()) unwritten_.push_back(&endpoint);
  if (outflow_ && !outflow_->done()) return;
  outflow_ = std::make_unique<Outflow>(*this);
  executor_.submit(*outflow_);
}

bool Messenger::all_written() {
  std::erase_if(unwritten_, [&](const Endpoint* endpoint) {
    return !endpoint->state().ok() || (endpoint->written() && !backlog_.contains(endpoint));
  });
  return unwritten_.empty();
}

void Messenger::forget(const Endpoint& endpoint) {
  backlog_.erase(&endpoint);
  std::erase(unwritten_, &endpoint);
}

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

uint64_t Messenger::expect(RecvRequest& request, const Endpoint& from) {
  expected_.emplace(next_notify_, Expected{&request, &from});
  return next_notify_++;
}

void Messenger::landed(Endpoint& from, uint64_t notify) {
  const auto found = expected_.find(notify);
  if (found == expected_.end() || found->second.from != &from) return;
  RecvRequest* request = found->second.request;
  expected_.erase(found);
  request->completed({});
}

void Messenger::transmit(Endpoint& to, std::span<const std::byte> head, std::span<const std::byte> body) {
  if (backlog_.contains(&to) || !to.post(head, body)) {
    auto& copy = backlog_[&to].emplace_back(head.begin(), head.end());
    copy.insert(copy.end(), body.begin(), body.end());
  }
  if (!to.written()) see_out(to);
}

void Messenger::writable(Endpoint& endpoint) {
  const auto found = backlog_.find(&endpoint);
  if (found == backlog_.end()) return;
  auto& waiting = found->second;
  size_t sent = 0;
  while (sent < waiting.size() && endpoint.post(waiting[sent], {})) ++sent;
  waiting.erase(waiting.begin(), waiting.begin() + ptrdiff_t(sent));
  if (waiting.empty()) backlog_.erase(found);
}

bool Messenger::flushed(const Endpoint& endpoint) const {
  return !backlog_.contains(&endpoint) && (!endpoint.state().ok() || endpoint.flushed());
}

void Messenger::down(Endpoint& endpoint, const Status& why) {
  forget(endpoint);
  std::vector<Channel*> all;
  all.reserve(channels_.size());
  for (const auto& [context, channel] : channels_) all.push_back(channel);
  for (Channel* channel : all) channel->down(endpoint, why);
}

}  // namespace dlslime
