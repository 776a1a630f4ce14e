#include "collective/call.h"

namespace dlslime {
namespace {
constexpr uint64_t kMark = uint64_t(1) << 31;     // so that no call looks like kNoFingerprint
constexpr uint64_t kUnequal = uint64_t(1) << 25;  // the upper half is `parts`, not the root
constexpr int kLayoutAt = 26;                     // two bits

const char* suffix_of(Layout layout) {
  switch (layout) {
    case Layout::kRows:
      return "";
    case Layout::kChannelsLast:
      return " channels_last";
    case Layout::kChannelsLast3d:
      return " channels_last_3d";
  }
  return " of unknown layout";
}
}  // namespace

const char* name_of(CollectiveKind kind) {
  switch (kind) {
    case CollectiveKind::kBarrier:
      return "barrier";
    case CollectiveKind::kBroadcast:
      return "broadcast";
    case CollectiveKind::kAllReduce:
      return "all_reduce";
    case CollectiveKind::kReduce:
      return "reduce";
    case CollectiveKind::kAllGather:
      return "all_gather";
    case CollectiveKind::kGather:
      return "gather";
    case CollectiveKind::kScatter:
      return "scatter";
    case CollectiveKind::kReduceScatter:
      return "reduce_scatter";
    case CollectiveKind::kAllToAll:
      return "all_to_all";
  }
  return "?";
}

uint64_t Call::what() const {
  return uint64_t(kind) | uint64_t(dtype) << 8 | uint64_t(reduction) << 16 | uint64_t(reduces) << 24 |
         uint64_t(layout) << kLayoutAt | kMark |
         (parts ? kUnequal | uint64_t(parts) << 32 : uint64_t(uint32_t(root)) << 32);
}

Fingerprint Call::fingerprint() const { return {what(), bytes, sequence << 32 | history, previous}; }

Call Call::from(const Fingerprint& f) {
  Call call = from_what(f[0]);
  call.bytes = f[1];
  call.sequence = f[2] >> 32;
  call.history = uint32_t(f[2]);
  call.previous = f[3];
  return call;
}

Call Call::from_what(uint64_t what) {
  Call call;
  call.kind = CollectiveKind(what & 0xFF);
  call.dtype = DType(what >> 8 & 0xFF);
  call.reduction = ReduceKind(what >> 16 & 0xFF);
  call.reduces = what >> 24 & 1;
  call.layout = Layout(what >> kLayoutAt & 3);
  const uint32_t upper = uint32_t(what >> 32);
  what& kUnequal ? call.parts = upper : call.root = int(upper);
  return call;
}

uint32_t Call::history_with_it() const {
  uint64_t digest = history;
  for (uint64_t word : {what(), bytes}) {
    digest = (digest ^ word) * 0x9E3779B97F4A7C15u;
    digest ^= digest >> 32;
  }
  return uint32_t(digest);
}

std::string Call::describe() const {
  std::string text = name_of(kind);
  if (kind != CollectiveKind::kBarrier) {
    text += "(";
    if (reduces) text += std::string(name_of(reduction)) + ", ";
    if (bytes && valid(dtype)) text += std::to_string(bytes / size_of(dtype)) + " x ";
    text += std::string(name_of(dtype)) + suffix_of(layout);
    if (parts) text += ", in parts #" + std::to_string(parts);
    if (root >= 0) text += ", root " + std::to_string(root);
    text += ")";
  }
  return text;
}

}  // namespace dlslime
