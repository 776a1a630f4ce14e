#include <atomic>

#include "reduce/kernels.h"

namespace dlslime::reduce_detail {
namespace {

const Kernels* table_of(SimdLevel level) {
#ifdef DLSLIME_X86_KERNELS
  if (level == SimdLevel::Avx512) return &kAvx512Kernels;
  if (level == SimdLevel::Avx2) return &kAvx2Kernels;
#endif
  return level == SimdLevel::Portable ? &kPortableKernels : nullptr;
}

bool cpu_has(SimdLevel level) {
#ifdef DLSLIME_X86_KERNELS
  __builtin_cpu_init();  // also asks whether the operating system saves the registers
  const bool avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  if (level == SimdLevel::Avx2) return avx2;
  if (level == SimdLevel::Avx512) {
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  }
#endif
  return level == SimdLevel::Portable;
}

std::atomic<SimdLevel>& chosen() {
  static std::atomic<SimdLevel> level{best_simd_level()};
  return level;
}

}  // namespace

bool supported(SimdLevel level) { return table_of(level) != nullptr && cpu_has(level); }

SimdLevel best_simd_level() {
  if (supported(SimdLevel::Avx512)) return SimdLevel::Avx512;
  return supported(SimdLevel::Avx2) ? SimdLevel::Avx2 : SimdLevel::Portable;
}

SimdLevel simd_level() { return chosen().load(std::memory_order_relaxed); }

const char* name_of(SimdLevel level) {
  constexpr const char* kNames[] = {"portable", "avx2", "avx512"};
  return static_cast<size_t>(level) < 3 ? kNames[static_cast<size_t>(level)] : "?";
}

bool set_simd_level_for_test(SimdLevel level) {
  if (!supported(level)) return false;
  chosen().store(level, std::memory_order_relaxed);
  return true;
}

const Kernels& kernels() { return *table_of(simd_level()); }

}  // namespace dlslime::reduce_detail
