#include "collective/real_rank.h"

#include <algorithm>
#include <random>
#include <thread>

#include "engine/tcp/tcp_engine.h"

namespace dlslime {

using std::chrono::microseconds;

namespace {
constexpr Nanos kPatience = std::chrono::minutes(1);  // a bug fails, it does not hang

void check(const Status& status) {
  if (!status.ok()) throw Failure(status);
}

std::string host_name(const RealConfig& config, int rank) {
  return config.host_of.empty() ? "this host" : "host " + std::to_string(config.host_of[size_t(rank)]);
}
}  // namespace

// Ladders from "asleep at once", where bells must wake it, to the product's own.
RealConfig RealConfig::for_seed(uint64_t seed, Sharing sharing) {
  RealConfig config;
  config.seed = seed;
  config.ranks = 2 + int(seed % 3);
  config.steps = random_program(seed, config.ranks, 12);
  config.plan = random_plan(seed);
  config.sharing = sharing;
  config.direct_reads = seed % 2;
  config.most_fetched = seed / 5 % 2 ? 512 << 10 : 0;
  config.in_heap = unsigned(seed / 2 % 3 * 2);
  constexpr Ladder kLadders[] = {{Nanos(0), Nanos(0)}, {Nanos(0), microseconds(50)}, Ladder{}};
  config.ladder = kLadders[seed / 3 % 3];
  config.progress_threads = seed / 2 % 2;
  return config;
}

std::vector<std::string> run_in_threads(const RealConfig& config) {
  Blackboard board;
  std::deque<RealRank> ranks;
  std::vector<std::string> wrong(size_t(config.ranks));
  std::vector<std::thread> threads;
  threads.reserve(size_t(config.ranks));
  for (int rank = 0; rank < config.ranks; ++rank) ranks.emplace_back(config, rank, board);
  for (int rank = 0; rank < config.ranks; ++rank)
    threads.emplace_back([&, rank] { wrong[size_t(rank)] = ranks[size_t(rank)].run(); });
  for (auto& thread : threads) thread.join();
  return wrong;
}

RealRank::RealRank(const RealConfig& config, int rank, Blackboard& board)
    : config_(config),
      rank_(rank),
      board_(board),
      executor_(clock_, &reactor_, config.ladder),
      runtime_(executor_, regions_, new_identity(host_name(config, rank))),
      messenger_(std::make_unique<Messenger>(executor_, regions_)) {
  const Services services{clock_, executor_, reactor_, regions_, heap_, runtime_.self()};
  std::unique_ptr<ShmEngine> shm;
  check(ShmEngine::create({config.direct_reads, config.most_fetched}, services, &shm));
  std::unique_ptr<TcpEngine> tcp;
  const bool tcp_in_use = !config.host_of.empty();
  if (tcp_in_use) check(TcpEngine::create({}, services, &tcp));
  executor_.with_token([&] {
    executor_.add(reactor_);
    runtime_.add(std::make_unique<ShmVariant>(std::move(shm), config.sharing));
    if (tcp) runtime_.add(std::move(tcp));
  });
  // What a rank has sent over TCP may wait in it for room in the socket, also when its operations have ended.
  if (config.progress_threads || tcp_in_use) executor_.start_progress_thread();
}

RealRank::~RealRank() {
  executor_.stop_progress_thread();
  executor_.with_token([&] {
    group_.reset();
    messenger_.reset();
  });
}

std::string RealRank::run() {
  const auto attempt = [](auto part) -> std::string {
    try {
      return part();
    } catch (const std::exception& error) {
      return error.what();
    }
  };
  std::string wrong = attempt([this] {
    join();
    std::string found = run_steps();
    if (found.empty()) board_.meet(config_.ranks);
    return found;
  });
  if (!wrong.empty()) board_.give_up(rank_, wrong);
  // The others are told, whatever happened.
  const std::string at_the_end = attempt([this] { return leave(); });
  return wrong.empty() ? at_the_end : wrong;
}

void RealRank::join() {
  const int ranks = config_.ranks;
  GroupBuilder builder(runtime_, *messenger_, {"real", rank_, ranks, {}, config_.plan});
  const auto hellos = board_.exchange(0, rank_, ranks, builder.hello());
  const std::string mine = executor_.with_token([&] {
    check(builder.meet(hellos));
    return builder.offers();
  });
  const auto offers = board_.exchange(1, rank_, ranks, mine);
  executor_.with_token([&] { check(builder.connect(offers, &group_)); });
  const size_t hosts = ranks_by_host(config_.host_of).size();
  const bool shares = config_.sharing != Sharing::kMessages && ranks > 1;
  if (bool(group_->local()) != (shares && hosts < 2) ||
      bool(group_->hierarchy()) != (shares && hosts > 1 && size_t(ranks) > hosts))
    throw Failure(Status(Code::kInternal, "the group does not share memory as it should"));
  board_.meet(ranks);
}

// Issues up to three steps at once, then waits for them, and checks every result.
std::string RealRank::run_steps() {
  const std::vector<Step>& steps = config_.steps;
  std::mt19937_64 pace(config_.seed * 31 + uint64_t(rank_));
  for (size_t at = 0; at < steps.size();) {
    std::deque<StepRun> runs;
    std::deque<GroupOperation> issued;
    const size_t until = std::min(steps.size(), at + 1 + pace() % 3);
    for (; at < until; ++at) {
      SharedHeap* const heap = pace() % 4 < config_.in_heap ? &heap_ : nullptr;
      StepRun& run = runs.emplace_back(steps[at], rank_, config_.ranks, config_.plan,
                                       ranks_by_host(config_.host_of), heap);
      const auto order = steps[at].ordered() ? Operation::Order::kOrdered : Operation::Order::kFree;
      executor_.submit(issued.emplace_back(
          *group_, order, kPatience, [&run](Group& group) { return run.call(group); }, run.name()));
    }
    if (std::string wrong = end_all(runs, issued); !wrong.empty()) return wrong;
  }
  return {};
}

// All of them, also after one has failed: they use the buffers.
std::string RealRank::end_all(std::deque<StepRun>& runs, std::deque<GroupOperation>& issued) {
  std::string wrong;
  for (size_t i = 0; i < issued.size(); ++i) {
    executor_.wait(issued[i], kNever);
    const Status& status = issued[i].status();
    const std::string found = status.ok() ? runs[i].wrong() : runs[i].name() + ": " + status.to_string();
    if (wrong.empty()) wrong = found;
  }
  return wrong;
}

std::string RealRank::leave() {
  if (!group_) return {};
  executor_.with_token([&] { group_->leave(); });
  GroupOperation flush(
      nullptr, *group_, kPatience,
      [](Group& group) -> Task<> { co_await until([&group] { return group.flushed(); }); }, "leave");
  executor_.run(flush, kNever);
  return flush.status().ok() ? std::string() : "leaving: " + flush.status().to_string();
}

}  // namespace dlslime
