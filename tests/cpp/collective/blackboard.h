// Blackboard: what real ranks, threads or processes, tell each other before they are connected, and where they wait for each other.
//
// Threads:    any, of any process forked after it was made.
// Ownership:  its memory is shared with forked children and goes with each process.
// Errors:     get() and meet() throw where nobody comes for a minute, or somebody has given up: then nobody hangs.
#pragma once
#include <sched.h>
#include <sys/mman.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

namespace dlslime {

class Blackboard {
 public:
  static constexpr int kRounds = 2, kRanks = 5;

  Blackboard() {
    void* at = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) throw std::bad_alloc();
    shared_ = new (at) Shared;
  }
  ~Blackboard() { munmap(shared_, sizeof(Shared)); }
  Blackboard(const Blackboard&) = delete;
  Blackboard& operator=(const Blackboard&) = delete;

  // Everybody's blobs of this round, by rank.
  std::vector<std::string> exchange(int round, int rank, int ranks, const std::string& mine) {
    put(shared_->blobs[round][rank], mine);
    std::vector<std::string> all;
    for (int who = 0; who < ranks; ++who) {
      Note& note = shared_->blobs[round][who];
      wait([&note] { return note.there.load() != 0; });
      all.emplace_back(note.bytes, note.size);
    }
    return all;
  }
  // Returns when all ranks have come to the same place.
  void meet(int ranks) {
    const int mine = shared_->arrived.fetch_add(1);
    const int all = (mine / ranks + 1) * ranks;
    wait([this, all] { return shared_->arrived.load() >= all; });
  }
  void give_up(int rank, const std::string& why) {
    put(shared_->reasons[rank], why.substr(0, kBytes));
    shared_->given_up.store(true);
  }
  std::string reason(int rank) const {  // empty: it has not given up
    const Note& note = shared_->reasons[rank];
    return note.there.load() ? std::string(note.bytes, note.size) : std::string();
  }

 private:
  static constexpr size_t kBytes = 8000;
  struct Note {
    std::atomic<int> there{0};
    size_t size = 0;
    char bytes[kBytes];
  };
  struct Shared {
    Note blobs[kRounds][kRanks];
    Note reasons[kRanks];
    std::atomic<int> arrived{0};
    std::atomic<bool> given_up{false};
  };

  static void put(Note& note, const std::string& text) {
    if (text.size() > kBytes) throw std::length_error("too long for the blackboard");
    std::memcpy(note.bytes, text.data(), text.size());
    note.size = text.size();
    note.there.store(1);
  }
  template <class Predicate>
  void wait(Predicate there) {
    const auto start = std::chrono::steady_clock::now();
    while (!there()) {
      if (shared_->given_up.load()) throw std::runtime_error("another rank has given up");
      if (std::chrono::steady_clock::now() - start > std::chrono::minutes(1))
        throw std::runtime_error("the other ranks do not come");
      sched_yield();
    }
  }

  Shared* shared_;
};

}  // namespace dlslime
