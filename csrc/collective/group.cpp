#include "collective/group.h"

#include <algorithm>
#include <set>
#include <utility>

#include "collective/hierarchy/hierarchy.h"

namespace dlslime {
namespace {

// With a collective, before ranks compare what they called.
constexpr Nanos kPatience = std::chrono::seconds(1);

std::vector<Endpoint*> endpoints(const std::vector<std::shared_ptr<Endpoint>>& peers) {
  std::vector<Endpoint*> all;
  all.reserve(peers.size());
  for (const auto& peer : peers) all.push_back(peer.get());
  return all;
}

}  // namespace

Group::Group(Executor& executor, Messenger& messenger, Parts parts)
    : executor_(executor),
      parts_(std::move(parts)),
      channel_(messenger, *this, parts_.context, parts_.rank, endpoints(parts_.peers)),
      called_(size_t(parts_.size)),
      left_after_(size_t(parts_.size), UINT64_MAX) {
  if (parts_.hosts.nested())
    hierarchy_ = std::make_unique<Hierarchy>(*this, parts_.hosts, std::move(parts_.pages));
  else if (parts_.pages)
    local_ = std::make_unique<LocalGroup>(*this, *parts_.pages, parts_.hosts.here());
}

Group::~Group() { executor_.retire(*this); }

const Call& Group::begin(Call call) {
  call.sequence = ++begun_;
  call.history = std::exchange(history_, 0);
  call.previous = std::exchange(previous_, call.what());
  history_ = call.history_with_it();
  current_ = call;
  recent_[call.sequence % kRecent] = call.fingerprint();
  for (int rank = 0; rank < size(); ++rank) {
    if (begun_ > left_after_[rank]) {
      const std::string who = "rank " + std::to_string(rank);
      throw Failure(Status(Code::kClosed, who + " has left the group").at_peer(rank));
    }
    compare(rank);
  }
  alarm_ = executor_.clock().now() + kPatience;
  return current_;
}

void Group::end() {
  ++finished_;
  alarm_ = kNever;
  if (!hierarchy_) return;
  // The lines count every collective, also those that go by messages alone.
  LocalGroup& local = hierarchy_->local;
  if (!local.is_done(begun_)) local.done(begun_);
}

void Group::take_back() {
  if (local_) local_->take_back();
  if (hierarchy_) hierarchy_->local.take_back();
}

// The call that has just begun, with what that rank has said of its own.
void Group::compare(int rank) {
  Fingerprint& called = called_[size_t(rank)];
  const Fingerprint* arrived = local_ ? nullptr : channel_.waiting_from(rank);
  for (const Fingerprint& theirs : {arrived ? *arrived : kNoFingerprint, called}) {
    if (disagrees(theirs)) throw Failure(mismatch(rank, theirs, ours(theirs)));
  }
  if (called != kNoFingerprint && Call::from(called).sequence == uint32_t(begun_)) called = kNoFingerprint;
}

// Is it about a collective that has begun here, and not the same one?
bool Group::disagrees(const Fingerprint& theirs) const {
  if (theirs == kNoFingerprint) return false;
  const Fingerprint& mine = ours(theirs);
  return mine != kNoFingerprint && Call::from(theirs).sequence == Call::from(mine).sequence && theirs != mine;
}

void Group::unasked(int rank, const Fingerprint& theirs) {
  const Call there = Call::from(theirs);
  if (disagrees(theirs)) return part(theirs, mismatch(rank, theirs, ours(theirs)));
  if (int32_t(uint32_t(there.sequence) - uint32_t(finished_)) <= 0) {
    part(theirs, Status(Code::kMismatch, "rank " + std::to_string(rank) + " called " + there.describe() +
                                             " in the place of a collective that rank " +
                                             std::to_string(parts_.rank) + " has finished without it")
                     .at_peer(rank));
  }
}

// Also of a collective that has been finished here: nothing of it may ever reach the one who waits.
void Group::called(int rank, const Fingerprint& theirs) {
  if (disagrees(theirs)) return part(theirs, mismatch(rank, theirs, ours(theirs)));
  const bool ahead = int32_t(uint32_t(Call::from(theirs).sequence) - uint32_t(begun_)) > 0;
  if (ahead) called_[size_t(rank)] = theirs;
}

// It may lie behind us. Nobody who is still in it can end it.
void Group::part(const Fingerprint& theirs, const Status& why) {
  const uint64_t number = begun_ - uint32_t(uint32_t(begun_) - uint32_t(Call::from(theirs).sequence));
  fail(why, std::min(number, finished_ + 1));
}

void Group::fail(const Status& why) { fail(why, finished_ + 1); }

void Group::fail(const Status& why, uint64_t since) {
  const bool spared = std::exchange(spared_, false);
  if (!failed().ok() && !spared) return;
  executor_.fail(*this, why);
  // Also that what was spared has failed: others may wait for it.
  if (!left_) channel_.tell_failure(why, since);
}

void Group::leave() {
  if (left_) return;
  left_ = true;
  executor_.fail(*this, Status(Code::kClosed, "the group was destroyed on this rank"));
  channel_.tell_bye(finished_);
}

// Who is in an earlier collective than the one that failed can finish it: what the others owe to it is on its way.
void Group::peer_failed(int, const Status& why, uint64_t since) {
  const bool may_end = since > begun_ && begun_ > finished_;
  if (!may_end) return fail(why, since ? std::min(since, finished_ + 1) : finished_ + 1);
  if (!failed().ok()) return;
  spared_ = true;
  executor_.fail_after_running(*this, why);
  if (!left_) channel_.tell_failure(why, since);
}

Status Group::peer_left(int rank, uint64_t finished) {
  left_after_[rank] = finished;
  // Whoever leaves a group that has failed does so because of that failure.
  Status why = failed();
  if (why.ok())
    why = Status(Code::kClosed, "rank " + std::to_string(rank) + " has left the group").at_peer(rank);
  if (begun_ > finished_ && begun_ > finished) fail(why);  // the one going on can't end without it
  return why;
}

Status Group::mismatch(int rank, const Fingerprint& theirs, const Fingerprint& mine) {
  const Call there = Call::from(theirs), here = Call::from(mine);
  const bool parted_before =
      there.what() == here.what() && there.bytes == here.bytes && there.sequence == here.sequence;
  const Call they = parted_before ? Call::from_what(there.previous) : there;
  const Call we = parted_before ? Call::from_what(here.previous) : here;
  std::string text = "rank " + std::to_string(rank) + " called " + they.describe() + " where rank " +
                     std::to_string(parts_.rank) + " called " + we.describe();
  if (parted_before && there.previous == here.previous) {
    text = "rank " + std::to_string(rank) + " and rank " + std::to_string(parts_.rank) +
           " called different collectives some time ago";
  }
  if (parted_before) text += ", before " + here.describe();
  if (there.sequence != here.sequence) {
    text += "; it is " + std::to_string(int32_t(uint32_t(there.sequence) - uint32_t(here.sequence))) +
            " collectives ahead";
  }
  return Status(Code::kMismatch, text).at_peer(rank);
}

std::string Group::shape() const {
  std::set<std::string> inside, between;
  const std::vector<int>* here = hierarchy_ || local_ ? &parts_.hosts.here() : nullptr;
  for (int rank = 0; rank < size(); ++rank) {
    const bool mate = here && std::ranges::find(*here, rank) != here->end();
    if (rank != parts_.rank) (mate ? inside : between).insert(std::string(channel_.engine_to(rank)));
  }
  const auto joined = [](const std::set<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : "+") + name;
    return text;
  };
  std::string text = parts_.hosts.describe();
  if (!here) return std::to_string(size()) + (size() == 1 ? " rank" : " ranks, " + joined(between));
  if (!inside.empty()) text += ", " + joined(inside) + " inside";
  if (!between.empty()) text += ", " + joined(between) + " between";
  return text;
}

std::vector<int> Group::ahead() const {
  if (local_) return local_->ahead(begun_ + 1);
  std::vector<int> ranks = channel_.unexpected_from();
  if (hierarchy_) {
    for (int rank : hierarchy_->local.ahead(begun_ + 1)) ranks.push_back(rank);
  }
  return ranks;
}

std::string Group::missing() const {
  std::string text;
  for (int rank : channel_.unexpected_from())
    text += (text.empty() ? "rank " : ", rank ") + std::to_string(rank);
  return text;
}

}  // namespace dlslime
