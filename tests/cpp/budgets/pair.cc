#include "budgets/pair.h"

#include <deque>

namespace dlslime::budgets {
namespace {

constexpr Nanos kPatience = std::chrono::minutes(1);  // a bug fails, it does not hang

void check(const Status& status) {
  if (!status.ok()) throw Failure(status);
}

// Whatever else the machine does meanwhile, nobody begins to wait: to yield and to sleep would be system calls. Deadlines are seen
// after it.
constexpr Ladder kNeverLate{std::chrono::seconds(30), Nanos{0}};

class Turn final : public Poller {
 public:
  explicit Turn(Rank& rank) : rank_(rank) {}
  bool poll() override {
    const NotCounting on_its_own_account;
    return rank_.executor().with_token([this] { return rank_.executor().pass(); });
  }

 private:
  Rank& rank_;
};

}  // namespace

Rank::Rank(bool direct_reads, Ladder ladder)
    : executor_(clock_, &reactor_, ladder),
      runtime_(executor_, regions_, new_identity("this host")),
      messenger_(std::make_unique<Messenger>(executor_, regions_)) {
  std::unique_ptr<ShmEngine> engine;
  const Services services{clock_, executor_, reactor_, regions_, heap_, runtime_.self()};
  check(ShmEngine::create({direct_reads, 512 << 10}, services, &engine));
  executor_.with_token([&] {
    executor_.add(reactor_);
    runtime_.add(std::move(engine));
  });
}

Rank::~Rank() {
  executor_.stop_progress_thread();
  executor_.with_token([&] {
    groups_.clear();
    messenger_.reset();
  });
}

void Rank::join(std::span<Rank* const> ranks, std::string_view text) {
  Plan plan;
  check(Plan::parse(text, &plan));
  std::deque<GroupBuilder> builders;
  std::vector<std::string> hellos, offers;
  for (Rank* rank : ranks) {
    const int number = int(builders.size());
    GroupBuilder& builder =
        builders.emplace_back(rank->runtime_, *rank->messenger_,
                              GroupBuilder::Spec{"budgets", number, int(ranks.size()), {}, plan});
    hellos.push_back(builder.hello());
  }
  const auto each = [&](auto step) {
    for (size_t i = 0; i < ranks.size(); ++i)
      ranks[i]->executor_.with_token([&] { step(*ranks[i], builders[i]); });
  };
  each([&](Rank&, GroupBuilder& builder) {
    check(builder.meet(hellos));
    offers.push_back(builder.offers());
  });
  each([&](Rank& rank, GroupBuilder& builder) {
    check(builder.connect(offers, &rank.groups_.emplace_back()));
  });
}

Pair::Pair(int subject, bool direct_reads, std::string_view plan)
    : subject_(subject), zero_(direct_reads, kNeverLate), one_(direct_reads, kNeverLate) {
  Rank* const both[] = {&zero_, &one_};
  Rank::join(both, plan);
  both[subject]->executor().start_progress_thread();
}

Cost Pair::run(Operation::Order order, const GroupCall& its, const GroupCall& partners) {
  Rank &mine = subject_ ? one_ : zero_, &partner = subject_ ? zero_ : one_;
  GroupOperation counted(mine.group(), order, kPatience, its, "what is counted");
  GroupOperation other(partner.group(), order, kPatience, partners, "the partner's half");
  Turn turn(partner);
  Cost cost;
  mine.executor().with_token([&] { mine.executor().add(turn); });
  partner.executor().submit(other);
  const uint64_t token = mine.executor().token_taken(), frames = mine.executor().heap_allocations();
  {
    const Counting counting(cost);
    mine.executor().run(counted, kNever);
  }
  cost.token = mine.executor().token_taken() - token;
  cost.frames = mine.executor().heap_allocations() - frames;
  mine.executor().with_token([&] { mine.executor().remove(turn); });
  partner.executor().wait(other, kNever);
  check(counted.status());
  check(other.status());
  return cost;
}

}  // namespace dlslime::budgets
