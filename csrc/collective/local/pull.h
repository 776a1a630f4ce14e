// Pulling: every rank copies what it needs out of its peers' own buffers (process_vm_readv or its like), where the plan says so.
//
// Cost:       one copy a byte instead of two, and two words more than staging: the owner may not return before all have read.
// Errors:     a buffer that can't be read ends the collective with the engine's reason, naming the rank.
// Invariants: buffers are only ever read; addresses hold for the operation in whose line they were posted. Whoever has pulled
//             publishes kDone; an owner waits for that of its readers. One that fails takes its buffers back (kTakenBack) before
//             its caller hears of it; whoever has read them meanwhile fails with it.
#pragma once
#include "collective/local/local_group.h"

namespace dlslime::local {

// Longer reads are cut, so that an abort or a deadline is seen in between.
inline constexpr size_t kPullBytes = 1 << 20;

inline bool pulls(LocalGroup& local, const Call& call, uint64_t bytes) {
  return local.group().choose(call.kind, Way::kLocal, bytes) == Algorithm::kPull;
}

// `large`: all that is pulled in a row is.
inline Task<> pull_one(LocalGroup& local, int who, uint64_t address, Bytes into, bool large) {
  for (size_t i = 0; i < steps_for(into.size(), kPullBytes); ++i) {
    const Bytes piece = part(into, i, kPullBytes);
    const uint64_t at = address + i * kPullBytes;
    Status read;
    co_await bulk_if(large, [&local, &read, who, at, piece] { read = local.read_private(who, at, piece); });
    if (read.ok()) co_await local.lent(who);
    if (read.ok()) continue;
    const int peer = local.group_rank(who);
    throw Failure(read.during("reading the buffer of rank " + std::to_string(peer)).at_peer(peer));
  }
}

// From everybody, each rank starting with its neighbour, so that not all read the same one at once.
template <class Address>
Task<> pull_all(LocalGroup& local, std::span<const Bytes> into, Address address) {
  size_t sum = 0;
  for (int who = 0; who < local.size(); ++who) sum += who == local.rank() ? 0 : into[size_t(who)].size();
  for (int step = 1; step < local.size(); ++step) {
    const int who = (local.rank() + step) % local.size();
    co_await pull_one(local, who, address(who), into[size_t(who)], sum > kLargeCopy);
  }
}

}  // namespace dlslime::local
