// Fingerprint: what an operation calls itself, so that ranks which call different things find out instead of mixing their bytes.
//
// Invariants: all zero means "don't compare" (point-to-point). The message layer only compares; its listener words the error.
#pragma once
#include <array>
#include <cstdint>

namespace dlslime {

using Fingerprint = std::array<uint64_t, 4>;
inline constexpr Fingerprint kNoFingerprint{};

}  // namespace dlslime
