// Pulling: every rank copies what it needs out of its peers' own buffers (process_vm_readv or its like), where the plan says so.
//
// Threads:    under the token; the reading itself without it.
// Ownership:  buffers are their owners', and only ever read; what is read goes into the operation's own.
// Errors:     a buffer that can't be read ends the collective with the engine's reason, naming the rank.
// Units:      bytes.
// Invariants: addresses hold for the operation, or the step, in which they were posted. Whoever has pulled publishes that (kDone,
//             kConsumed); an owner waits for that of its readers. One that fails takes its buffers back (kTakenBack) before its
//             caller hears of it; whoever has read them meanwhile fails with it.
//
// Cost: one copy a byte instead of two, and two words more than staging: the owner may not return before all have read.
#pragma once
#include "collective/local/local_group.h"

namespace dlslime::local {

inline bool pulls(LocalGroup& local, const Call& call, uint64_t bytes) {
  return local.group().choose(call.kind, Way::kLocal, bytes) == Algorithm::kPull;
}

// A peer's blocks, one after the other; address(b) says where it has block b. `large`: all that is pulled in a row is.
template <class Address>
Task<> pull_blocks(LocalGroup& local, int who, std::span<const Bytes> blocks, bool large, Address address) {
  size_t block = 0, from = 0;
  while (block < blocks.size()) {
    Status read;
    co_await bulk_if(large, [&local, &read, &block, &from, &address, blocks, who] {
      for (size_t left = kBulkBytes; block < blocks.size() && left && read.ok();) {
        const Bytes piece = blocks[block].subspan(from, std::min(left, blocks[block].size() - from));
        read = local.read_private(who, address(block) + from, piece);
        left -= piece.size();
        from += piece.size();
        if (from == blocks[block].size()) ++block, from = 0;
      }
    });
    if (!read.ok()) throw Failure(read);
    co_await local.lent(who);
  }
}

inline Task<> pull_one(LocalGroup& local, int who, uint64_t address, Bytes into, bool large) {
  const size_t blocks = into.empty() ? 0 : 1;
  co_await pull_blocks(local, who, std::span(&into, blocks), large, [address](size_t) { return address; });
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
