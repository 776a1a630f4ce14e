// Shared by the tests of reductions: runs a body at every level the CPU has, makes source data, calls through
// vectors.
//
// Threads:    one. Ownership: values. Errors: gtest failures. Units: elements unless "bytes".
// Invariants: the level is back at the best when a test ends.
#pragma once
#include <gtest/gtest.h>

#include <random>

#include "reduce/kernels.h"
#include "reference.h"

namespace dlslime {

using reduce_detail::SimdLevel;
using reference::Bytes;

inline std::vector<const void*> pointers(const std::vector<Bytes>& sources) {
  std::vector<const void*> out;
  for (const auto& source : sources) out.push_back(source.data());
  return out;
}

class ReduceTest : public testing::Test {
 protected:
  void TearDown() override { reduce_detail::set_simd_level_for_test(reduce_detail::best_simd_level()); }

  template <class Body>
  void at_every_level(Body body) {
    for (const auto level : {SimdLevel::Portable, SimdLevel::Avx2, SimdLevel::Avx512}) {
      if (!reduce_detail::set_simd_level_for_test(level)) continue;
      SCOPED_TRACE(name_of(level));
      body();
    }
  }

  // Half random bits (NaN, infinity, subnormals; bools that are neither 0 nor 1), half values whose sums stay
  // finite.
  Bytes data(DType type, size_t count) {
    Bytes out(count * size_of(type));
    for (auto& byte : out) byte = static_cast<unsigned char>(random_());
    const size_t part = is_complex(type) ? size_of(type) / 2 : size_of(type);
    for (size_t at = 0; at + part <= out.size(); at += part) {
      if (random_() % 2 == 0) tame(type, out.data() + at, part);
    }
    return out;
  }

  std::vector<Bytes> sources(DType type, size_t number, size_t count) {
    std::vector<Bytes> out;
    for (size_t k = 0; k < number; ++k) out.push_back(data(type, count));
    return out;
  }

  std::mt19937 random_{20240229};

 private:
  void tame(DType type, unsigned char* at, size_t size) {
    const float value = static_cast<float>(static_cast<int>(random_() % 64) - 32) / 8;
    if (size == 8 && (type == DType::F64 || type == DType::C128)) {
      const double wide = value;
      std::memcpy(at, &wide, 8);
    } else if (type == DType::F32 || type == DType::C64) {
      std::memcpy(at, &value, 4);
    } else if (is_floating(type)) {
      const unsigned code = reference::code_of(type, value);
      for (size_t i = 0; i < size; ++i) at[i] = static_cast<unsigned char>(code >> (8 * i));
    } else {
      for (size_t i = 1; i < size; ++i) at[i] = 0;
    }
  }
};

}  // namespace dlslime
