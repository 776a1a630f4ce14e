#include "collective/call.h"

namespace dlslime {
namespace {
constexpr uint64_t kMagic = 0x646C736C696D65;  // so that no call looks like kNoFingerprint
}

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

Fingerprint Call::fingerprint() const {
  const uint64_t what = uint64_t(kind) | uint64_t(dtype) << 8 | uint64_t(reduction) << 16 |
                        uint64_t(reduces) << 24 | uint64_t(uint32_t(root)) << 32;
  return {what, bytes, sequence, kMagic};
}

Call Call::from(const Fingerprint& f) {
  Call call;
  call.kind = CollectiveKind(f[0] & 0xFF);
  call.dtype = DType(f[0] >> 8 & 0xFF);
  call.reduction = ReduceKind(f[0] >> 16 & 0xFF);
  call.reduces = f[0] >> 24 & 1;
  call.root = int(uint32_t(f[0] >> 32));
  call.bytes = f[1];
  call.sequence = f[2];
  return call;
}

std::string Call::describe() const {
  std::string text = name_of(kind);
  if (kind != CollectiveKind::kBarrier) {
    text += "(";
    if (reduces) text += std::string(name_of(reduction)) + ", ";
    if (bytes && valid(dtype)) text += std::to_string(bytes / size_of(dtype)) + " x ";
    text += name_of(dtype);
    if (root >= 0) text += ", root " + std::to_string(root);
    text += ")";
  }
  return text;
}

}  // namespace dlslime
