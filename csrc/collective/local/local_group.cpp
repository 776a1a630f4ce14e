#include "collective/local/local_group.h"

namespace dlslime {

void LocalGroup::post(const Call& call, const Note& note) {
  const uint64_t s = call.sequence;
  auto& mine = *reinterpret_cast<Posted*>(pages_.payload(rank(), s % kCallSlots).data());
  mine.fingerprint = call.fingerprint();
  mine.extent = note.extent;
  mine.factor = note.factor;
  mine.address = reinterpret_cast<uintptr_t>(note.address);
  copy({mine.inline_data, note.inline_data.size()}, note.inline_data);
  pages_.publish(s % kCallSlots, s);
}

void LocalGroup::verify_one(const Call& call, int who) const {
  const Fingerprint theirs = posted(who, call.sequence).fingerprint;
  const Fingerprint mine = call.fingerprint();
  if (theirs != mine) throw Failure(group_.mismatch(group_rank(who), theirs, mine));
}

void LocalGroup::verify(const Call& call) const {
  for (int who = 0; who < size(); ++who) verify_one(call, who);
}

std::vector<int> LocalGroup::ahead(uint64_t s) const {
  std::vector<int> ranks;
  for (int who = 0; who < size(); ++who) {
    if (who != rank() && pages_.read(who, s % kCallSlots) >= s) ranks.push_back(group_rank(who));
  }
  return ranks;
}

Status LocalGroup::read_private(int who, uint64_t address, Bytes into) const {
  if (into.empty()) return {};
  return told(pages_.read_private(who, address, into), who);
}

Status LocalGroup::mapped(int who, uint64_t address, size_t bytes, const std::byte** at) const {
  return told(pages_.mapped(who, address, bytes, at), who);
}

Status LocalGroup::told(Status read, int who) const {
  if (read.ok()) return read;
  const int peer = group_rank(who);
  return std::move(read).during("reading the buffer of rank " + std::to_string(peer)).at_peer(peer);
}

bool LocalGroup::slots_unused() const {
  for (int who = 0; who < size(); ++who) {
    if (pages_.read(who, kConsumed) < in_step_ || pages_.read(who, kTaken) < out_step_) return false;
  }
  return true;
}

std::pair<size_t, bool> LocalGroup::give_back(size_t from) {
  const size_t next = pages_.give_back(from);
  return {next, next >= pages_.layout().data_bytes};
}

std::span<LocalGroup::Sent> LocalGroup::table(int who, uint64_t s) const {
  std::byte* at = pages_.data(who).data() + s % kCallSlots * table_bytes(size());
  return {reinterpret_cast<Sent*>(at), size_t(size())};
}

bool LocalGroup::taken_back(int who) const {
  __sync_synchronize();  // no older than what was read before; TSan knows no std::atomic_thread_fence
  for (int p = 0; p < size(); ++p) {
    if ((who < 0 || p == who) && pages_.read(p, kTakenBack)) return true;
  }
  return false;
}

void LocalGroup::show_parts(std::span<const ConstBytes> parts, uint64_t s) {
  for (size_t p = 0; p < parts.size(); ++p)
    table(rank(), s)[p] = {parts[p].size(), reinterpret_cast<uintptr_t>(parts[p].data())};
}

Reduction LocalGroup::reduction_of(const ReduceSpec& spec, uint64_t s) {
  factors_.clear();
  if (spec.kind == ReduceKind::PremulSum) {
    for (int who = 0; who < size(); ++who) factors_.push_back(posted(who, s).factor);
  }
  return Reduction{spec.kind, spec.dtype, size(), factors_};
}

bool LocalGroup::Reached::ready() {
  if (only_ >= 0) return only_ == local_.rank() || local_.pages_.read(only_, line_) >= value_;
  for (; next_ < local_.size(); ++next_) {
    if (next_ != local_.rank() && local_.pages_.read(next_, line_) < value_) return false;
  }
  return true;
}

std::string LocalGroup::Reached::waiting_for() const {
  std::string text;
  int missing = 0;
  for (int who = 0; who < local_.size(); ++who) {
    const bool waited_for = only_ < 0 ? who != local_.rank() : who == only_;
    if (waited_for && local_.pages_.read(who, line_) < value_)
      text += (missing++ ? ", rank " : "rank ") + std::to_string(local_.group_rank(who));
  }
  if (!missing) return text;
  const bool one = missing == 1;
  if (line_ >= kCallSlots) return text + (one ? " is late" : " are late");
  return text + (one ? " has not arrived" : " have not arrived");
}

}  // namespace dlslime
