#include "torch_ext/member.h"

#include <thread>

namespace dlslime {

using std::chrono::microseconds;

Member::Member(Process& process, std::unique_ptr<Group> group, GlobalRanks global_ranks, const void* world)
    : process_(process),
      group_(std::move(group)),
      name_(group_->name()),
      engines_(group_->engines()),
      shape_(group_->shape()),
      why_no_pages_(group_->why_no_pages()),
      routes_(group_->routes()),
      plan_(group_->plan()),
      reads_private_(group_->reads_private()),
      global_ranks_(std::move(global_ranks)),
      world_(world),
      rank_(group_->rank()),
      size_(group_->size()) {
  process_.enlist(*this);
}

Member::~Member() {
  if (process_.dead()) {
    (void)group_.release();  // its memory is a copy of the parent's; its sockets are the parent's
    return;
  }
  process_.strike(*this);
  leave();
  executor().with_token([&] { group_.reset(); });
}

void Member::describe(const std::string& description) {
  if (describing_.exchange(true)) return;
  description_ = description;
  described_.store(true);
}

std::string Member::ahead() const {
  if (!group_) return {};
  std::string ranks;
  for (const int rank : group_->ahead())
    ranks += (ranks.empty() ? "rank " : ", rank ") + std::to_string(rank);
  if (ranks.empty()) return {};
  return ranks + " in group " + name() + (group_->failed().ok() ? "" : ", which has failed");
}

void Member::add_sightings(std::map<uint64_t, Sighting>* all) const {
  if (state_.load() != State::kOpen || !group_) return;
  for (int rank = 0; rank < size_; ++rank) {
    if (group_->channel().left(rank)) continue;
    Sighting& of = (*all)[global_ranks_.at(rank)];
    const Status why = group_->channel().lost(rank);
    if (why.ok())
      of.reached = true;
    else if (of.lost.ok() || why.code() == Code::kPeerDied)
      of.lost = why.during("group " + name() + " lost it");
  }
}

// Counts first and looks then, while close() says so first and counts then: one of the two sees the other.
bool Member::enter() {
  active_.fetch_add(1);
  if (state_.load() == State::kOpen) [[likely]]
    return true;
  active_.fetch_sub(1);
  return false;
}

Status Member::why_closed() const {
  return {Code::kClosed, "group " + name() + (aborted_.load() ? " was aborted" : " was destroyed") +
                             " on this rank: it is shut down"};
}

Status Member::failed() const {
  if (process_.dead()) return {Code::kClosed, "this is a forked child"};
  return executor().with_token([&] { return group_ ? group_->failed() : why_closed(); });
}

void Member::abort(Status why) {
  if (process_.dead()) return;
  aborted_.store(true);
  executor().with_token([&] {
    if (group_) group_->fail(std::move(why));
  });
  State open = State::kOpen;
  state_.compare_exchange_strong(open, State::kLeft);
}

void Member::leave() {
  if (process_.dead()) return;
  State open = State::kOpen;
  state_.compare_exchange_strong(open, State::kLeft);
  executor().with_token([&] {
    if (group_) group_->leave();
  });
}

bool Member::finish_closing() {
  return executor().with_token([&] {
    if (!group_) return true;
    if (active_.load() || !group_->flushed()) return false;
    group_.reset();
    return true;
  });
}

void Member::close(Nanos patience) {
  if (process_.dead() || state_.exchange(State::kClosed) == State::kClosed) return;
  leave();
  const Nanos until = executor().clock().now() + patience;
  for (int tries = 0; !finish_closing() && executor().clock().now() < until; ++tries) {
    executor().poll_once();
    if (tries > 100) std::this_thread::sleep_for(microseconds(100));
  }
}

}  // namespace dlslime
