// Life, time, and how every operation is issued.
#include "torch_ext/backend.h"

#include <thread>

#include "base/log.h"
#include "reduce/reduce.h"
#include "torch_ext/errors.h"
#include "torch_ext/interrupt.h"
#include "torch_ext/rendezvous.h"

namespace dlslime {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {
constexpr seconds kFlushPatience{2};
// Of a backend that was dropped without shutdown(), maybe with the GIL held.
constexpr milliseconds kDropPatience{200};

bool is_named(const std::string& description) {
  return !description.empty() && description != "undefined";  // torch's word for none
}

void add_route(const std::string& peer, const Route& route, std::map<std::string, std::string>* report) {
  if (!route.engine.empty()) (*report)[peer] = route.engine;
  if (!route.preferred.empty()) (*report)[peer + " without " + route.preferred] = route.why;
  if (!route.hampered.empty()) (*report)[peer + " hampered"] = route.hampered;
}

}  // namespace

c10::intrusive_ptr<DlslimeBackend> DlslimeBackend::create(StorePtr store, int rank, int size,
                                                          DlslimeOptions options, StorePtr world) {
  TORCH_CHECK_VALUE(size >= 1 && rank >= 0 && rank < size, "dlslime: rank ", rank,
                    " is not a rank of a group of ", size);
  if (!world) world = world_of(store);
  Invitation invitation{store,
                        world,
                        options.group_name,
                        rank,
                        size,
                        GlobalRanks(options.global_ranks_in_group),
                        options.timeout,
                        options.settings};
  auto member = rendezvous(invitation);
  if (logs_debug())
    log_debug("group " + member->name() + " of " + std::to_string(size) + " is made, engine " +
              member->engines());
  return c10::make_intrusive<DlslimeBackend>(std::move(member), std::move(store), std::move(world),
                                             std::move(options));
}

DlslimeBackend::DlslimeBackend(std::shared_ptr<Member> member, StorePtr store, StorePtr world,
                               DlslimeOptions options)
    : Backend(member->rank(), member->size()),
      member_(std::move(member)),
      store_(std::move(store)),
      world_(std::move(world)),
      options_(std::move(options)),
      timeout_ms_(options_.timeout.count()) {
  init();
}

DlslimeBackend::~DlslimeBackend() { member_->close(kDropPatience); }

std::map<std::string, std::string> DlslimeBackend::report() const {
  describe_group();
  std::map<std::string, std::string> all{
      {"engine", member_->engines()},
      {"host", member_->process().runtime().self().host},
      {"version", DLSLIME_TORCH_VERSION},
      {"group", member_->name()},
      {"rank", std::to_string(rank_)},
      {"size", std::to_string(size_)},
      {"reductions", simd_name()},
      {"plan", member_->plan().origin},
      {"direct reads", member_->reads_private() ? "yes" : "no"},
      {"shape", member_->shape()},
  };
  const auto missing = member_->process().missing();
  for (const std::string& engine : options_.settings.engines) {
    if (const auto found = missing.find(engine); found != missing.end())
      all["without " + engine] = found->second;
  }
  if (!member_->why_no_pages().empty()) all["without shared memory"] = member_->why_no_pages();
  for (size_t peer = 0; peer < member_->routes().size(); ++peer)
    add_route("rank " + std::to_string(peer), member_->routes()[peer], &all);
  return all;
}

double DlslimeBackend::comm_seconds() const { return double(member_->busy_ns.load()) * 1e-9; }

DlslimeBackend::OptionsPtr DlslimeBackend::getBackendOptions() {
  const std::lock_guard lock(mutex_);
  return c10::make_intrusive<DlslimeOptions>(options_);
}

void DlslimeBackend::setTimeout(milliseconds timeout) {
  const std::lock_guard lock(mutex_);
  options_.timeout = timeout;
  timeout_ms_ = timeout.count();
}

// ---- issuing ----

Deadline DlslimeBackend::deadline(milliseconds timeout) const {
  const int64_t ms =
      timeout == c10d::kUnsetTimeout ? timeout_ms_.load(std::memory_order_relaxed) : timeout.count();
  constexpr int64_t kLongest = std::chrono::duration_cast<milliseconds>(kNever).count();
  if (ms <= 0 || ms >= kLongest) return {};
  return {deadline_after(member_->executor().clock(), milliseconds(ms)), milliseconds(ms)};
}

void DlslimeBackend::check_usable() const { member_->process().check_alive(); }

// torch tells the name after it has made the backend.
void DlslimeBackend::describe_group() const {
  if (!member_->described() && is_named(pg_desc_)) [[unlikely]]
    member_->describe(pg_desc_);
}

std::shared_ptr<Member> DlslimeBackend::enter() const {
  check_usable();
  describe_group();
  if (!member_->enter()) [[unlikely]]
    throw_if_failed(member_->why_closed(), "rank " + std::to_string(rank_));
  return member_;
}

c10::intrusive_ptr<DlslimeWork> DlslimeBackend::start(std::unique_ptr<Job> job, Terms terms,
                                                      DlslimeWork::Kept tensors,
                                                      DlslimeWork::Epilogue epilogue) {
  if (timing_.load(std::memory_order_relaxed)) job->time();
  auto work = c10::make_intrusive<DlslimeWork>(std::move(job), terms.type, terms.title, std::move(tensors));
  if (epilogue) work->after(std::move(epilogue));
  work->allow(terms.timeout == c10d::kUnsetTimeout ? milliseconds(timeout_ms_.load()) : terms.timeout);
  if (hooks_) work->report_to(hooks_);
  if (terms.background)
    work->submit();
  else
    work->run();
  return work;
}

DlslimeBackend::WorkPtr DlslimeBackend::issue(CollectiveArgs args, Terms terms, DlslimeWork::Kept tensors) {
  if (batching()) {
    BatchJob::Parts parts;
    parts.collectives.push_back(std::move(args));
    return add_to_batch(std::move(parts), tensors);
  }
  auto member = enter();
  args.sequence = member->number(1);
  auto job = std::make_unique<CollectiveJob>(std::move(member), deadline(terms.timeout), std::move(args));
  return start(std::move(job), terms, std::move(tensors));
}

DlslimeBackend::WorkPtr DlslimeBackend::issue(std::vector<CollectiveArgs> all, Terms terms,
                                              DlslimeWork::Kept tensors) {
  BatchJob::Parts parts{{}, std::move(all)};
  if (batching()) return add_to_batch(std::move(parts), tensors);
  check_apart(parts.collectives);
  auto member = enter();
  uint64_t number = member->number(parts.collectives.size());
  for (CollectiveArgs& args : parts.collectives) args.sequence = number++;
  auto job = std::make_unique<BatchJob>(std::move(member), deadline(terms.timeout), std::move(parts));
  return start(std::move(job), terms, std::move(tensors));
}

// ---- hooks, errors, the end ----

void DlslimeBackend::registerOnCompletionHook(std::function<void(std::shared_ptr<c10d::WorkInfo>)>&& hook) {
  TORCH_CHECK(!onCompletionHook_, "dlslime: a completion hook is registered already");
  member_->process().need_progress();
  onCompletionHook_ = std::move(hook);
  hooks_ = std::make_shared<DlslimeWork::Hooks>();
  hooks_->call = onCompletionHook_;
}

void DlslimeBackend::waitForPendingWorks() {
  check_usable();
  member_->process().need_progress();
  while (member_->active() || (hooks_ && hooks_->pending.load())) {
    if (interrupted()) rethrow_interrupt();
    member_->executor().poll_once();
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

c10d::ErrorType DlslimeBackend::getError() {
  switch (member_->failed().code()) {
    case Code::kOk:
    case Code::kClosed:
      return c10d::ErrorType::SUCCESS;
    case Code::kTimeout:
      return c10d::ErrorType::TIMEOUT;
    case Code::kPeerDied:
    case Code::kPeerFailed:
      return c10d::ErrorType::REMOTE_ERROR;
    default:
      return c10d::ErrorType::COMM_ERROR;
  }
}

void DlslimeBackend::abort() {
  member_->abort(Status(Code::kAborted, "abort() was called on rank " + std::to_string(rank_)));
}

void DlslimeBackend::shutdown() { member_->close(kFlushPatience); }

}  // namespace dlslime
