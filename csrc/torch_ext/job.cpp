#include "torch_ext/job.h"

#include <sched.h>

namespace dlslime {

Job::Job(std::shared_ptr<Member> member, Order order, Deadline deadline)
    : Operation(&member->group(), order, deadline), member_(std::move(member)) {}

std::string Job::describe() const {
  return call() + " of group " + member_->name() + " on rank " +
         member_->global_ranks().name(member_->rank()) + " (engine " + member_->engines() + ")";
}

bool Job::claim() {
  uint8_t old = bits_.load();
  while (!(old & (kFinished | kClaimed))) {
    if (bits_.compare_exchange_weak(old, old | kClaimed)) return true;
  }
  return false;
}

bool Job::unclaim() {
  const uint8_t old = bits_.fetch_and(uint8_t(~kClaimed));
  if (!(old & kFinished) || (old & kQueued)) return false;
  while (!done()) sched_yield();  // finished() is about to say so, and touches us until then
  return true;
}

void Job::finished() noexcept {
  if (timed_) ended_ = now();
  if (status().code() == Code::kTimeout) elsewhere_ = look_around();
  CompletionThread& completion = member_->process().completion();
  CompletionThread::Item* const item = item_;
  uint8_t old = bits_.load(), next = 0;
  do {
    const bool queue = item && (!(old & kClaimed) || (old & kWanted));
    next = uint8_t(old | kFinished | (queue ? kQueued : 0));
  } while (!bits_.compare_exchange_weak(old, next));
  member_->exit();
  mark_done();
  // The queue's reference keeps us until it is settled. Read again: who wants the thread now has seen us done, or is seen here.
  if (next & kQueued) completion.push(*item, bits_.load() & kWanted);
}

// For a timeout: who is in another operation of this group, and which other groups this process waits for.
std::string Job::look_around() const {
  std::string text;
  const std::string missing = group().missing();
  if (!missing.empty()) text = "in another operation: " + missing;
  std::string others, called;
  auto& active = executor().active();
  for (Operation* op = active.front(); op; op = active.next(*op)) {
    if (op == this || op->scope() == scope()) continue;
    others += (others.empty() ? "" : ", ") + op->describe();
    if (others.size() > 1000) break;
  }
  member_->process().look_at_members([&](const Member& other) {
    if (&other == member_.get() || called.size() > 1000) return;
    const std::string ranks = other.ahead();
    if (!ranks.empty()) called += (called.empty() ? "" : "; ") + ranks;
  });
  if (!others.empty()) text += (text.empty() ? "" : "; ") + ("also waiting: " + others);
  if (!called.empty()) text += (text.empty() ? "" : "; ") + ("what this rank has not called, has: " + called);
  return text;
}

Task<> CollectiveArgs::run(Group& group) const {
  switch (kind) {
    case CollectiveKind::kBarrier:
      return barrier(group);
    case CollectiveKind::kBroadcast:
      return broadcast(group, spec.dtype, output, root, layout);
    case CollectiveKind::kAllReduce:
      return all_reduce(group, spec, output, layout);
    case CollectiveKind::kReduce:
      return reduce(group, spec, output, root, layout);
    case CollectiveKind::kAllGather:
      return all_gather(group, spec.dtype, input, outputs);
    case CollectiveKind::kGather:
      return gather(group, spec.dtype, input, outputs, root);
    case CollectiveKind::kScatter:
      return scatter(group, spec.dtype, inputs, output, root);
    case CollectiveKind::kReduceScatter:
      return reduce_scatter(group, spec, inputs, output);
    case CollectiveKind::kAllToAll:
      return all_to_all(group, spec.dtype, inputs, outputs);
  }
  throw Failure(Status(Code::kInternal, "no such collective"));
}

std::string CollectiveArgs::describe() const {
  Call call;
  call.kind = kind;
  call.dtype = spec.dtype;
  call.reduces = reduces;
  call.reduction = spec.kind;
  call.layout = layout;
  call.root = root;
  call.sequence = sequence;
  call.bytes = input.size() + output.size();
  for (const ConstBytes& part : inputs) call.bytes += part.size();
  if (inputs.empty() && kind != CollectiveKind::kGather) {
    for (const Bytes& part : outputs) call.bytes += part.size();
    if (!outputs.empty()) call.bytes -= input.size();
  }
  if (kind == CollectiveKind::kReduceScatter || (kind == CollectiveKind::kScatter && !inputs.empty()))
    call.bytes -= output.size();
  return call.describe() + " #" + std::to_string(sequence);
}

CollectiveJob::CollectiveJob(std::shared_ptr<Member> member, Deadline deadline, CollectiveArgs args)
    : Job(std::move(member), Order::kOrdered, deadline), args_(std::move(args)) {}

Task<> CollectiveJob::body() {
  started();
  return args_.run(group());
}

}  // namespace dlslime
