// Reduction kernels of every level against what the same memory is copied at: bytes read and written per second.
//
// 4 KiB stays in the first-level cache, 256 KiB in the second, 16 MiB in neither. "bytes" is the size of one source.
#include "reduce/reduce.h"

#include <benchmark/benchmark.h>

#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "reduce/kernels.h"

namespace dlslime {
namespace {

using namespace reduce_detail;

constexpr int64_t kSizes[] = {4 << 10, 256 << 10, 16 << 20};
constexpr SimdLevel kLevels[] = {SimdLevel::Portable, SimdLevel::Avx2, SimdLevel::Avx512};

// Aligned as tensors and slots are, and each at another place of its page: where all begin alike, loads wait for stores that only
// look as if they were to the same address.
class Memory {
 public:
  Memory(size_t bytes, size_t number)
      : all_(bytes + (number + 1) * kStagger), at_(all_.data() + number * kStagger) {
    at_ += (64 - reinterpret_cast<uintptr_t>(at_) % 64) % 64;
  }
  char* data() const { return at_; }

 private:
  static constexpr size_t kStagger = 1088;
  std::vector<char> all_;
  char* at_;
};

// Ones: a value that every sum of four can hold.
void fill(char* out, DType type, size_t bytes) {
  const size_t size = size_of(type);
  const uint64_t code = type == DType::F16    ? 0x3c00
                        : type == DType::BF16 ? 0x3f80
                        : type == DType::F32  ? 0x3f800000
                                              : 0x38;
  for (size_t at = 0; at + size <= bytes; at += size) std::memcpy(out + at, &code, std::min<size_t>(size, 8));
}

void fold(benchmark::State& state, SimdLevel level, DType type, ReduceKind kind, size_t number) {
  set_simd_level_for_test(level);
  const auto bytes = size_t(state.range(0));
  std::deque<Memory> memory;
  std::vector<const void*> sources;
  for (size_t i = 0; i < number; ++i) {
    fill(memory.emplace_back(bytes, i).data(), type, bytes);
    sources.push_back(memory.back().data());
  }
  const Memory out(bytes, number);
  for (auto _ : state) {
    reduce({kind, type, int(number)}, out.data(), sources, bytes / size_of(type));
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(int64_t(state.iterations()) * int64_t(bytes * (number + 1)));
  set_simd_level_for_test(best_simd_level());
}

void copy(benchmark::State& state) {
  const auto bytes = size_t(state.range(0));
  const Memory from(bytes, 0), to(bytes, 1);
  fill(from.data(), DType::U8, bytes);
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), bytes);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(int64_t(state.iterations()) * int64_t(bytes * 2));
}

void add(SimdLevel level, DType type, ReduceKind kind, size_t number) {
  const std::string name = std::string("reduce/") + name_of(level) + "/" + name_of(type) + "/" +
                           name_of(kind) + "/sources:" + std::to_string(number);
  auto* made = benchmark::RegisterBenchmark(name.c_str(), fold, level, type, kind, number)->ArgName("bytes");
  for (const int64_t bytes : kSizes) made->Arg(bytes);
}

const bool registered = [] {
  auto* baseline = benchmark::RegisterBenchmark("reduce/memcpy", copy)->ArgName("bytes");
  for (const int64_t bytes : kSizes) baseline->Arg(bytes);
  for (const SimdLevel level : kLevels) {
    if (!supported(level)) continue;
    for (size_t type = 0; type < kDTypes; ++type) {
      for (const size_t number : {2, 4}) add(level, DType(type), ReduceKind::Sum, number);
    }
    for (const DType type : {DType::F32, DType::BF16}) {
      for (const ReduceKind kind : {ReduceKind::Avg, ReduceKind::Max, ReduceKind::Product})
        add(level, type, kind, 2);
    }
  }
  return true;
}();

}  // namespace
}  // namespace dlslime
