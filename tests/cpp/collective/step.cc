#include "collective/step.h"

#include <iterator>
#include <stdexcept>
#include <tuple>
#include <utility>

namespace dlslime {
namespace {

using K = Step::Kind;

// Sums of floats and rounding to bf16 depend on the order, so they come more often. Every type has two operators: a rank may call
// the other one (Deviation::kOp).
constexpr std::pair<ReduceKind, DType> kReductions[] = {
    {ReduceKind::Sum, DType::F32},       {ReduceKind::Sum, DType::F32},
    {ReduceKind::Sum, DType::BF16},      {ReduceKind::Sum, DType::BF16},
    {ReduceKind::Sum, DType::I32},       {ReduceKind::Avg, DType::F32},
    {ReduceKind::PremulSum, DType::F32}, {ReduceKind::PremulSum, DType::BF16},
    {ReduceKind::PremulSum, DType::I32}, {ReduceKind::Min, DType::F32},
    {ReduceKind::Max, DType::F32},       {ReduceKind::Max, DType::I32},
    {ReduceKind::Sum, DType::F64},       {ReduceKind::Avg, DType::F64},
    {ReduceKind::Avg, DType::C64},       {ReduceKind::PremulSum, DType::C64},
    {ReduceKind::Sum, DType::C128},      {ReduceKind::PremulSum, DType::C128},
    {ReduceKind::Sum, DType::Bool},      {ReduceKind::Min, DType::Bool},
    {ReduceKind::Sum, DType::F8E4M3FN},  {ReduceKind::Avg, DType::F8E4M3FN},
    {ReduceKind::Sum, DType::F8E5M2},    {ReduceKind::PremulSum, DType::F8E5M2},
};
constexpr DType kMoved[] = {DType::I32, DType::F32,  DType::BF16,     DType::F64,
                            DType::U8,  DType::Bool, DType::F8E4M3FN, DType::C128};

void draw_types(Step& step, std::mt19937_64& random) {
  if (step.reduces())
    std::tie(step.op, step.dtype) = kReductions[random() % std::size(kReductions)];
  else
    step.dtype = kMoved[random() % std::size(kMoved)];
}

bool differs(const Step& one, const Step& other, Deviation how) {
  switch (how) {
    case Deviation::kKind:
      return one.kind != other.kind;
    case Deviation::kOp:
      return one.op != other.op && one.dtype == other.dtype;
    default:
      return one.dtype != other.dtype;
  }
}

bool can_deviate(const Step& step, Deviation how, int ranks) {
  switch (how) {
    case Deviation::kKind:
      return true;
    case Deviation::kOp:
      return step.reduces();
    case Deviation::kRoot:
      return step.rooted();
    case Deviation::kSizes:
      return (step.kind == K::kAllGather || step.kind == K::kReduceScatter) && step.count && ranks > 1;
    default:
      return step.kind != K::kBarrier;
  }
}

}  // namespace

bool Step::reduces() const {
  return kind == K::kAllReduce || kind == K::kReduce || kind == K::kReduceScatter;
}

bool Step::rooted() const {
  return kind == K::kBroadcast || kind == K::kReduce || kind == K::kGather || kind == K::kScatter;
}

size_t Step::part(int p) const {
  if (swapped >= 0 && (p == swapped || p == swapped + 1)) p = 2 * swapped + 1 - p;
  switch (salt >> 8 & 3) {
    case 0:
      return count;
    case 1:
      return p % 2 ? count : 0;
    case 2:
      return p == root ? 2 * count : 0;
    default:
      return count * size_t(1 + p % 3) / 2;
  }
}

size_t Step::part(int from, int to) const {
  switch (salt >> 8 & 3) {
    case 0:
      return count;
    case 1:
      return (from + to) % 2 ? count : 0;
    default:
      return count * size_t(1 + (from + 2 * to) % 3) / 2;
  }
}

bool Step::needs(int rank, int other) const {
  if (kind == K::kBroadcast || kind == K::kScatter) return other == root && rank != root;
  if (kind == K::kReduce || kind == K::kGather) return rank == root && other != root;
  if (kind == K::kAllToAll) return rank != other && part(other, rank) > 0;
  return rank != other && ordered();
}

std::string Step::name() const {
  constexpr const char* kNames[] = {"barrier",    "broadcast", "all_reduce", "reduce",
                                    "all_gather", "gather",    "scatter",    "reduce_scatter",
                                    "all_to_all", "ring",      "any_source"};
  std::string text = std::string(kNames[size_t(kind)]) + "(";
  if (reduces()) text += std::string(name_of(op)) + " ";
  return text + name_of(dtype) + " count " + std::to_string(count) + " root " + std::to_string(root) + ")";
}

std::vector<Step> random_program(uint64_t seed, int ranks, int length) {
  std::mt19937_64 random(seed * 977 + 5);
  const size_t counts[] = {0, 1, 3, 16, 17, 1000, 2048, 5000, 9001, 40000, 90001};
  // Large worlds with small vectors: the time is in the ranks.
  const size_t choices = ranks > 8 ? 7 : std::size(counts);
  std::vector<Step> steps;
  for (int i = 0; i < length; ++i) {
    Step step;
    step.kind = Step::Kind(random() % uint64_t(K::kKinds));
    step.salt = random();
    step.count = counts[random() % choices];
    step.root = int(random() % uint64_t(ranks));
    draw_types(step, random);
    steps.push_back(step);
  }
  return steps;
}

Plan random_plan(uint64_t seed) {
  std::mt19937_64 random(seed * 31337 + 11);
  std::string text;
  const auto maybe = [&](const char* rows) {
    if (random() % 2) text += rows;
  };
  maybe(
      "all_reduce local up to 48 B: line\nall_reduce local up to 1 KiB: one_shot\n"
      "all_reduce local up to *: two_shot\n");
  maybe("reduce local up to 1 KiB: at_root\nreduce local up to *: two_shot\n");
  maybe("broadcast local up to 1 KiB: staged\nbroadcast local up to *: pull\n");
  // Which way round is not drawn: what is drawn after it stays as it was.
  if (seed % 3 == 0) text += "all_to_all local up to 2 KiB: pull\nall_to_all local up to *: staged\n";
  for (const std::string& operation :
       std::vector<std::string>{"all_gather", "gather", "scatter", "all_to_all"}) {
    if (seed % 3 == 0 && operation == "all_to_all") continue;
    maybe((operation + " local up to 2 KiB: staged\n" + operation + " local up to *: pull\n").c_str());
  }
  maybe("all_reduce wire up to 512 B: direct\nall_reduce wire up to *: shards by 24 KiB\n");
  maybe("reduce wire up to 512 B: direct\nreduce wire up to *: shards by 24 KiB\n");
  maybe("reduce_scatter wire up to *: shards by 24 KiB\n");
  maybe("broadcast wire up to 2 KiB: tree\nbroadcast wire up to *: spread\n");
  // Small sizes, or all of them, by messages alone; or small chunks; or as built in.
  const auto on_hosts = [&](const std::string& operation, const std::string& small) {
    const uint64_t drawn = random() % 6;
    const std::string row = operation + " hosts up to ";
    if (drawn == 0) text += row + "*: flat\n";
    if (drawn == 1) text += row + "600 B: flat\n";
    if (drawn >= 2 && drawn < 4 && !small.empty()) text += row + "600 B: " + small + "\n";
    if (drawn >= 1 && drawn < 4) text += row + "*: shards by 24 KiB\n";
  };
  on_hosts("all_reduce", "direct");
  on_hosts("broadcast", "tree");
  on_hosts("all_gather", "");
  on_hosts("reduce_scatter", "");
  if (random() % 4 == 0) text += "all_to_all hosts up to *: flat\n";
  return plan_of(text);
}

Plan plan_of(std::string_view text) {
  Plan plan;
  if (const Status status = Plan::parse(text, &plan); !status.ok())
    throw std::invalid_argument(status.what());
  return plan;
}

std::optional<Step> deviating(const Step& step, Deviation how, int ranks, std::mt19937_64& random) {
  if (!can_deviate(step, how, ranks)) return std::nullopt;
  Step other = step;
  switch (how) {
    case Deviation::kSize:
      other.count += 7;  // so many more that every part that is not empty differs, by whatever it is divided
      return other;
    case Deviation::kRoot:
      other.root = (step.root + 1 + int(random() % uint64_t(ranks - 1))) % ranks;
      return other;
    case Deviation::kSizes:
      other.swapped = int(random() % uint64_t(ranks - 1));
      return other.part(other.swapped) == step.part(other.swapped) ? std::nullopt : std::optional(other);
    default:
      while (!differs(step, other, how)) {
        if (how == Deviation::kKind) other.kind = Step::Kind(random() % uint64_t(K::kRing));
        draw_types(other, random);
      }
      return other;
  }
}

}  // namespace dlslime
