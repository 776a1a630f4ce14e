#include "memory/region.h"

#include <openssl/crypto.h>

#include <cstring>
#include <string>

#include "base/random.h"

namespace dlslime {
namespace {

Status denied(const RegionTable::Access& access, const std::string& why) {
  return {Code::kDenied, std::string(access.right == Rights::kRead ? "get" : "put") + " of " +
                             std::to_string(access.length) + " bytes at offset " +
                             std::to_string(access.offset) + " of region " + std::to_string(access.id) +
                             ": " + why};
}

}  // namespace

uint64_t digest_of(const RemoteRegion& region) {
  uint64_t words[sizeof(RemoteRegion) / sizeof(uint64_t)];
  std::memcpy(words, &region, sizeof region);
  uint64_t digest = 0x9E3779B97F4A7C15u;
  for (uint64_t word : words) {  // splitmix64's mixing step
    digest = (digest ^ word) * 0xBF58476D1CE4E5B9u;
    digest ^= digest >> 29;
  }
  return digest ? digest : 1;
}

RegionTable::RegionTable() = default;

void RegionTable::show_live(std::span<std::atomic<uint64_t>> words) { live_ = words; }

RemoteRegion RegionTable::add(std::span<std::byte> memory, Rights rights) {
  uint64_t id = next_++;
  if (!live_.empty()) {
    // An id whose slot is taken by an older region that lives on would not be shown: take the next.
    for (size_t tries = 0; tries < kLiveSlots && live_[slot_of(id)].load(std::memory_order_relaxed); ++tries)
      id = next_++;
  }
  RemoteRegion region;
  region.id = id;
  region.key = random_value<RegionKey>();
  region.address = reinterpret_cast<uintptr_t>(memory.data());
  region.length = memory.size();
  region.rights = rights;
  const bool shown = !live_.empty() && live_[slot_of(id)].load(std::memory_order_relaxed) == 0;
  if (shown) live_[slot_of(id)].store(digest_of(region), std::memory_order_seq_cst);
  entries_.emplace(id, Entry{memory, region.key, rights, shown});
  return region;
}

void RegionTable::revoke(uint64_t id) {
  const auto entry = entries_.extract(id);
  if (entry && entry.mapped().shown && !live_.empty()) live_[slot_of(id)].store(0, std::memory_order_seq_cst);
}

Status RegionTable::check(const Access& access, std::byte** address) const {
  const auto found = entries_.find(access.id);
  const bool known = found != entries_.end();
  const RegionKey zero{};
  const RegionKey& key = known ? found->second.key : zero;
  const bool right_key = CRYPTO_memcmp(key.data(), access.key.data(), key.size()) == 0;
  if (!known || !right_key) return denied(access, "no such region, or the wrong key");
  const Entry& entry = found->second;
  if (entry.rights != access.right) return denied(access, "the grant does not allow it");
  const uint64_t size = entry.memory.size();
  if (access.offset > size || access.length > size - access.offset) {
    return denied(access, "the region has " + std::to_string(size) + " bytes");
  }
  *address = entry.memory.data() + access.offset;
  return {};
}

}  // namespace dlslime
