#include "collective/plan.h"

#include <array>
#include <ranges>

#include "collective/local/local_group.h"

namespace dlslime {
namespace {

using A = Algorithm;
using K = CollectiveKind;

constexpr PlanChoice kChoices[] = {
    {K::kBroadcast, Way::kLocal, A::kLine},       {K::kBroadcast, Way::kLocal, A::kStaged},
    {K::kBroadcast, Way::kLocal, A::kPull},       {K::kAllReduce, Way::kLocal, A::kLine},
    {K::kAllReduce, Way::kLocal, A::kOneShot},    {K::kAllReduce, Way::kLocal, A::kTwoShot},
    {K::kReduce, Way::kLocal, A::kAtRoot},        {K::kReduce, Way::kLocal, A::kTwoShot},
    {K::kAllGather, Way::kLocal, A::kStaged},     {K::kAllGather, Way::kLocal, A::kPull},
    {K::kGather, Way::kLocal, A::kStaged},        {K::kGather, Way::kLocal, A::kPull},
    {K::kScatter, Way::kLocal, A::kStaged},       {K::kScatter, Way::kLocal, A::kPull},
    {K::kReduceScatter, Way::kLocal, A::kStaged}, {K::kAllToAll, Way::kLocal, A::kStaged},
    {K::kAllToAll, Way::kLocal, A::kPull},        {K::kBroadcast, Way::kWire, A::kTree},
    {K::kBroadcast, Way::kWire, A::kSpread},      {K::kAllReduce, Way::kWire, A::kDirect},
    {K::kAllReduce, Way::kWire, A::kShards},      {K::kReduce, Way::kWire, A::kDirect},
    {K::kReduce, Way::kWire, A::kShards},         {K::kAllGather, Way::kWire, A::kDirect},
    {K::kGather, Way::kWire, A::kDirect},         {K::kScatter, Way::kWire, A::kDirect},
    {K::kReduceScatter, Way::kWire, A::kShards},  {K::kAllToAll, Way::kWire, A::kDirect},
    {K::kBroadcast, Way::kHosts, A::kTree},       {K::kBroadcast, Way::kHosts, A::kShards},
    {K::kBroadcast, Way::kHosts, A::kFlat},       {K::kAllReduce, Way::kHosts, A::kDirect},
    {K::kAllReduce, Way::kHosts, A::kShards},     {K::kAllReduce, Way::kHosts, A::kFlat},
    {K::kAllGather, Way::kHosts, A::kShards},     {K::kAllGather, Way::kHosts, A::kFlat},
    {K::kReduceScatter, Way::kHosts, A::kShards}, {K::kReduceScatter, Way::kHosts, A::kFlat},
    {K::kAllToAll, Way::kHosts, A::kDirect},      {K::kAllToAll, Way::kHosts, A::kFlat},
};

struct Traits {
  std::string_view name;
  size_t most = SIZE_MAX;
  bool chunks = false;
};
constexpr std::array<Traits, kAlgorithms> kTraits{{
    {"line", LocalGroup::kInline},
    {"one_shot", LocalGroup::kSlotBytes},
    {"two_shot"},
    {"at_root", LocalGroup::kSlotBytes},
    {"staged"},
    {"pull"},
    {"direct"},
    {"shards", SIZE_MAX, true},
    {"tree"},
    {"spread"},
    {"flat"},
}};

}  // namespace

std::string_view name_of(Way way) {
  constexpr std::string_view kNames[] = {"local", "wire", "hosts"};
  return kNames[size_t(way)];
}
std::string_view name_of(Algorithm algorithm) { return kTraits[size_t(algorithm)].name; }
std::span<const PlanChoice> plan_choices() { return kChoices; }
size_t most_of(Algorithm algorithm) { return kTraits[size_t(algorithm)].most; }
bool has_chunks(Algorithm algorithm) { return kTraits[size_t(algorithm)].chunks; }
// Each pair has a size of its own in an all-to-all; over shared pages everybody shows its largest first.
bool sized(CollectiveKind kind, Way way) { return kind != K::kAllToAll || way == Way::kLocal; }

Plan::Plan(Plain) {
  for (const PlanChoice& choice : kChoices | std::views::reverse) {
    if (choice.algorithm == A::kPull || most_of(choice.algorithm) != SIZE_MAX) continue;
    const uint32_t chunk = has_chunks(choice.algorithm) ? kChunk : 0;
    rows_[size_t(choice.kind)][size_t(choice.way)][0] = {UINT64_MAX, chunk, choice.algorithm};
  }
}

}  // namespace dlslime
