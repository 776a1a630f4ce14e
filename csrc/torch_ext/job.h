// Job: one issued operation of a group: what it does, what it is called, who settles it when it is done.
//
//   A done job must be settled once (futures, hooks, references of tensors): by the thread that waits for it,
//   if one has claimed it, else by the completion thread, or by who issued it (CompletionThread::Own).
//
//   claimed  wanted  when it finishes
//   -------  ------  ----------------------------------------------------
//   no       -       queued for the completion thread, or left to who issued it
//   yes      no      the claimer settles (owed() is true)
//   yes      yes     queued: a future or a hook wants the completion thread
//
// Threads:    body() and finished() under the token; the rest from any thread.
// Ownership:  refers to buffers that the owner keeps until done(); shares the member.
// Errors:     status() after done(); elsewhere() says more about a timeout.
// Units:      Nanos.
#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "collective/collectives.h"
#include "torch_ext/member.h"

namespace dlslime {

class Job : public Operation {
 public:
  Job(std::shared_ptr<Member> member, Order order, Deadline deadline);
  ~Job() override = default;

  std::string describe() const override;  // with group, rank and engine
  virtual std::string call() const = 0;   // "all_reduce(sum, 1024 x float32) #12"
  virtual uint64_t sequence() const { return 0; }
  virtual int source() const { return -1; }  // of a finished receive

  Member& member() const { return *member_; }
  Executor& executor() const { return member_->executor(); }
  Group& group() const { return member_->group(); }
  const std::string& elsewhere() const { return elsewhere_; }

  void time() { timed_ = true; }  // before it is issued
  Nanos duration() const { return ended_ - began_; }
  Nanos began() const { return began_; }
  Nanos ended() const { return ended_; }

  // Before it is issued: who settles.
  void settle_by(CompletionThread::Item& item) { item_ = &item; }
  bool claim();
  bool unclaim();  // true: it is done meanwhile, the claimer settles after all
  bool owed() const { return !(bits_.load() & kQueued); }
  void want_thread() { bits_.fetch_or(kWanted); }

 protected:
  void finished() noexcept override;
  Nanos now() const { return executor().clock().now(); }
  void started() {
    if (timed_) began_ = now();
  }

 private:
  static constexpr uint8_t kFinished = 1, kClaimed = 2, kWanted = 4, kQueued = 8;
  std::string look_around() const;

  const std::shared_ptr<Member> member_;
  CompletionThread::Item* item_ = nullptr;
  std::atomic<uint8_t> bits_{0};
  bool timed_ = false;
  Nanos began_{0}, ended_{0};
  std::string elsewhere_;
};

// What a collective is called with; one struct for all of them. Which fields matter: collectives.h.
struct CollectiveArgs {
  CollectiveKind kind = CollectiveKind::kBarrier;
  bool reduces = false;
  ReduceSpec spec;  // of copies: the dtype only
  Layout layout = Layout::kRows;
  int root = -1;
  uint64_t sequence = 0;
  ConstBytes input;
  Bytes output;
  std::vector<ConstBytes> inputs;
  std::vector<Bytes> outputs;

  Task<> run(Group& group) const;
  std::string describe() const;
};

class CollectiveJob final : public Job {
 public:
  CollectiveJob(std::shared_ptr<Member> member, Deadline deadline, CollectiveArgs args);
  Task<> body() override;
  std::string call() const override { return args_.describe(); }
  uint64_t sequence() const override { return args_.sequence; }

 private:
  const CollectiveArgs args_;
};

}  // namespace dlslime
