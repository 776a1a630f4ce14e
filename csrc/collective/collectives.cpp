// Begins a collective and chooses how it runs: over shared pages where all ranks share memory, over messages where none do, over
// both where some do.
#include "collective/collectives.h"

#include <algorithm>
#include <utility>

#include "collective/copy_own.h"
#include "collective/hierarchy/hierarchy.h"
#include "collective/local/local.h"
#include "collective/wire/wire.h"

namespace dlslime {
namespace {

Call call_of(CollectiveKind kind, DType dtype, uint64_t bytes, int root = -1) {
  Call call;
  call.kind = kind;
  call.dtype = dtype;
  call.bytes = bytes;
  call.root = root;
  return call;
}

Call call_of(CollectiveKind kind, const ReduceSpec& spec, uint64_t bytes, int root = -1) {
  Call call = call_of(kind, spec.dtype, bytes, root);
  call.reduces = true;
  call.reduction = spec.kind;
  return call;
}

Call laid_out(Layout layout, Call call) {
  call.layout = layout;
  return call;
}

template <class Span>
uint64_t total(std::span<const Span> parts) {
  uint64_t bytes = 0;
  for (const Span& part : parts) bytes += part.size();
  return bytes;
}

template <class Span>
uint32_t digest_of_sizes(std::span<const Span> parts) {  // never 0
  uint64_t digest = 0;
  for (const Span& part : parts) {
    digest = (digest ^ part.size()) * 0x9E3779B97F4A7C15u;
    digest ^= digest >> 32;
  }
  return std::max(uint32_t(digest), 1u);
}

template <class Span>
Call in_parts(Call call, std::span<const Span> parts) {
  const bool alike =
      std::ranges::all_of(parts, [&](const Span& part) { return part.size() == parts[0].size(); });
  call.parts = alike ? 0 : digest_of_sizes(parts);
  return call;
}

// Peers may be reading this rank's buffers. One that is stopped takes them back before its caller hears of it.
class TakesBack {
 public:
  explicit TakesBack(Group& group) : group_(group) {}
  ~TakesBack() {
    if (group_.running()) group_.take_back();
  }
  TakesBack(const TakesBack&) = delete;
  TakesBack& operator=(const TakesBack&) = delete;

 private:
  Group& group_;
};

Task<> reduce_alone(ReduceSpec spec, Bytes out, ConstBytes in) {
  for (size_t i = 0; i < steps_for(in.size(), kBulkBytes); ++i) {
    const ConstBytes from = part(in, i, kBulkBytes);
    std::byte* const to = part(out, i, kBulkBytes).data();
    co_await bulk_if(from.size() > kLargeFold, [&spec, to, from] {
      const void* source = from.data();
      dlslime::reduce(Reduction{spec.kind, spec.dtype, 1, std::span(&spec.factor, 1)}, to,
                      std::span(&source, 1), from.size() / size_of(spec.dtype));
    });
  }
}

// Null: not on several hosts, or the plan has it by messages alone.
Hierarchy* nested(Group& group, const Call& call, size_t bytes) {
  Hierarchy* const all = group.hierarchy();
  return all && group.choose(call.kind, Way::kHosts, bytes) != Algorithm::kFlat ? all : nullptr;
}

}  // namespace

Task<> barrier(Group& group) {
  const TakesBack guard(group);
  const Call call = group.begin(call_of(CollectiveKind::kBarrier, DType::U8, 0));
  if (LocalGroup* local = group.local())
    co_await local::barrier(*local, call);
  else if (Hierarchy* all = group.hierarchy())
    co_await hierarchy::barrier(*all, call);
  else if (group.size() > 1)
    co_await wire::barrier(group, call);
  group.end();
}

Task<> broadcast(Group& group, DType dtype, Bytes data, int root, Layout layout) {
  const TakesBack guard(group);
  const Call call =
      group.begin(laid_out(layout, call_of(CollectiveKind::kBroadcast, dtype, data.size(), root)));
  if (LocalGroup* local = group.local())
    co_await local::broadcast(*local, call, data);
  else if (Hierarchy* all = nested(group, call, data.size()))
    co_await hierarchy::broadcast(*all, call, data);
  else if (group.size() > 1)
    co_await wire::broadcast(group, call, data);
  group.end();
}

namespace {
Task<> all_reduce(Group& group, Call call, ReduceSpec spec, Bytes data) {
  if (LocalGroup* local = group.local())
    co_await local::all_reduce(*local, call, spec, data);
  else if (Hierarchy* all = nested(group, call, data.size()))
    co_await hierarchy::all_reduce(*all, call, spec, data);
  else if (group.size() > 1)
    co_await wire::all_reduce(group, call, spec, data);
  else
    co_await reduce_alone(spec, data, data);
}
}  // namespace

Task<> all_reduce(Group& group, ReduceSpec spec, Bytes data, Layout layout) {
  const TakesBack guard(group);
  const Call call = group.begin(laid_out(layout, call_of(CollectiveKind::kAllReduce, spec, data.size())));
  co_await all_reduce(group, call, spec, data);
  group.end();
}

Task<> all_reduce_together(Group& group, ReduceSpec spec, std::vector<Bytes> parts, Layout layout) {
  Scattered all(parts);
  std::unique_ptr<std::byte[]> memory;
  const TakesBack guard(group);  // the memory, too: it goes after the guard
  Call call = laid_out(layout, call_of(CollectiveKind::kAllReduce, spec, all.size()));
  call.parts = digest_of_sizes(std::span<const Bytes>(parts));
  call = group.begin(call);
  if (group.local() && group.choose(call.kind, Way::kLocal, all.size()) == Algorithm::kTwoShot) {
    co_await local::two_shot_together(*group.local(), call, spec, std::move(all));
  } else {
    memory = std::make_unique_for_overwrite<std::byte[]>(all.size());
    const Bytes packed(memory.get(), all.size());
    const bool large = all.size() > kLargeCopy;
    co_await bulk_if(large, [&all, packed] { all.copy_out(0, packed); });
    co_await all_reduce(group, call, spec, packed);
    co_await bulk_if(large, [&all, packed] { all.copy_in(0, packed); });
  }
  group.end();
}

Task<> reduce(Group& group, ReduceSpec spec, Bytes data, int root, Layout layout) {
  const TakesBack guard(group);
  const Call call = group.begin(laid_out(layout, call_of(CollectiveKind::kReduce, spec, data.size(), root)));
  if (LocalGroup* local = group.local())
    co_await local::reduce(*local, call, spec, data);
  else if (group.size() > 1)
    co_await wire::reduce(group, call, spec, data);
  else
    co_await reduce_alone(spec, data, data);
  group.end();
}

Task<> all_gather(Group& group, DType dtype, ConstBytes in, std::span<const Bytes> out) {
  const TakesBack guard(group);
  const Call call = group.begin(in_parts(call_of(CollectiveKind::kAllGather, dtype, total(out)), out));
  if (LocalGroup* local = group.local())
    co_await local::all_gather(*local, call, in, out);
  else if (Hierarchy* all = nested(group, call, largest(out)))
    co_await hierarchy::all_gather(*all, call, in, out);
  else if (group.size() > 1)
    co_await wire::all_gather(group, call, in, out);
  else
    co_await copy_own(out[0], in);
  group.end();
}

Task<> gather(Group& group, DType dtype, ConstBytes in, std::span<const Bytes> out, int root) {
  const TakesBack guard(group);
  const Call call = group.begin(call_of(CollectiveKind::kGather, dtype, in.size(), root));
  if (LocalGroup* local = group.local())
    co_await local::gather(*local, call, in, out);
  else if (group.size() > 1)
    co_await wire::gather(group, call, in, out);
  else
    co_await copy_own(out[0], in);
  group.end();
}

Task<> scatter(Group& group, DType dtype, std::span<const ConstBytes> in, Bytes out, int root) {
  const TakesBack guard(group);
  const Call call = group.begin(call_of(CollectiveKind::kScatter, dtype, out.size(), root));
  if (LocalGroup* local = group.local())
    co_await local::scatter(*local, call, in, out);
  else if (group.size() > 1)
    co_await wire::scatter(group, call, in, out);
  else
    co_await copy_own(out, in[0]);
  group.end();
}

Task<> reduce_scatter(Group& group, ReduceSpec spec, std::span<const ConstBytes> in, Bytes out) {
  const TakesBack guard(group);
  const Call call = group.begin(in_parts(call_of(CollectiveKind::kReduceScatter, spec, total(in)), in));
  if (LocalGroup* local = group.local())
    co_await local::reduce_scatter(*local, call, spec, in, out);
  else if (Hierarchy* all = nested(group, call, largest(in)))
    co_await hierarchy::reduce_scatter(*all, call, spec, in, out);
  else if (group.size() > 1)
    co_await wire::reduce_scatter(group, call, spec, in, out);
  else
    co_await reduce_alone(spec, out, in[0]);
  group.end();
}

Task<> all_to_all(Group& group, DType dtype, std::span<const ConstBytes> in, std::span<const Bytes> out) {
  const TakesBack guard(group);
  const Call call = group.begin(call_of(CollectiveKind::kAllToAll, dtype, 0));
  if (LocalGroup* local = group.local())
    co_await local::all_to_all(*local, call, in, out);
  else if (Hierarchy* all = nested(group, call, 0))  // not sized(): its row is for any size
    co_await hierarchy::all_to_all(*all, call, in, out);
  else if (group.size() > 1)
    co_await wire::all_to_all(group, call, in, out);
  else
    co_await copy_own(out[0], in[0]);
  group.end();
}

}  // namespace dlslime
