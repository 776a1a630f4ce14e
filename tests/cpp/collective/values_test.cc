// The simulated programs prove the order of reductions only if another order gives other bits.
#include <gtest/gtest.h>

#include <algorithm>

#include "collective/step_values.h"
#include "reduce/reference.h"

namespace dlslime {
namespace {

constexpr size_t kCount = 1000;

size_t differing(const ByteVector& one, const ByteVector& other, size_t element) {
  size_t count = 0;
  for (size_t at = 0; at < one.size(); at += element) {
    count += !std::equal(one.begin() + long(at), one.begin() + long(at + element), other.begin() + long(at));
  }
  return count;
}

Step reducing(ReduceKind op, DType dtype) {
  Step step;
  step.kind = Step::Kind::kAllReduce;
  step.salt = 12345;
  step.op = op;
  step.dtype = dtype;
  return step;
}

size_t differing_by_order(ReduceKind op, DType dtype) {
  const Step step = reducing(op, dtype);
  return differing(reduced(step, {{0, 1, 2, 3}}, 0, kCount), reduced(step, {{3, 2, 1, 0}}, 0, kCount),
                   size_of(dtype));
}

TEST(StepValues, FloatSumsDependOnTheOrder) {
  EXPECT_GT(differing_by_order(ReduceKind::Sum, DType::F32), kCount / 4);
  EXPECT_GT(differing_by_order(ReduceKind::Avg, DType::F32), kCount / 4);
  EXPECT_GT(differing_by_order(ReduceKind::PremulSum, DType::F32), kCount / 4);
  EXPECT_GT(differing_by_order(ReduceKind::Sum, DType::F64), kCount / 4);
  EXPECT_GT(differing_by_order(ReduceKind::PremulSum, DType::C128), kCount / 4);
}

TEST(StepValues, FloatSumsDependOnTheHosts) {
  const Step step = reducing(ReduceKind::Sum, DType::F32);
  const ByteVector one = reduced(step, {{0, 1, 2, 3}}, 0, kCount),
                   two = reduced(step, {{0, 1}, {2, 3}}, 0, kCount);
  EXPECT_GT(differing(one, two, sizeof(float)), kCount / 10);
}

TEST(StepValues, OthersDoNot) {
  EXPECT_EQ(differing_by_order(ReduceKind::Sum, DType::I32), 0u);
  EXPECT_EQ(differing_by_order(ReduceKind::Min, DType::F32), 0u);
  EXPECT_EQ(differing_by_order(ReduceKind::Max, DType::F32), 0u);
  EXPECT_EQ(differing_by_order(ReduceKind::Sum, DType::Bool), 0u);
}

// Two ranks' sum, rounded, and then the third's: one rounding more than there may be.
TEST(StepValues, Bf16SumsDependOnWhenTheyAreRounded) {
  const Step step = reducing(ReduceKind::Sum, DType::BF16);
  const ByteVector two = reduced(step, {{0, 1}}, 0, kCount), three = made(step, 2, 0, kCount);
  const ByteVector right = reduced(step, {{0, 1, 2}}, 0, kCount);
  size_t wrong = 0;
  for (size_t i = 0; i < kCount; ++i) {
    const auto at = [i](const ByteVector& v) {
      const uint32_t bits = uint32_t(reinterpret_cast<const uint16_t*>(v.data())[i]) << 16;
      return std::bit_cast<float>(bits);
    };
    const float twice = at(two) + at(three), once = at(right);
    wrong += std::abs(twice - once) > std::abs(once) / 512 + 1e-30f;  // half a unit in bf16's last place
  }
  EXPECT_GT(wrong, kCount / 20);
}

TEST(StepValues, Fp8SumsAreRoundedOnce) {
  for (const DType dtype : {DType::F8E4M3FN, DType::F8E5M2}) {
    const Step step = reducing(ReduceKind::Sum, dtype);
    const ByteVector right = reduced(step, {{0, 1, 2}}, 0, kCount), two = reduced(step, {{0, 1}}, 0, kCount);
    const ByteVector third = made(step, 2, 0, kCount);
    size_t wrong = 0;
    for (size_t i = 0; i < kCount; ++i) {
      const auto at = [&](const ByteVector& v) { return float(reference::value_of(dtype, unsigned(v[i]))); };
      wrong += reference::code_of(dtype, at(two) + at(third)) != unsigned(right[i]);
    }
    EXPECT_GT(wrong, kCount / 40);
  }
}

TEST(StepValues, TruthsAreOfEitherKind) {
  const Step step = reducing(ReduceKind::Min, DType::Bool);
  const ByteVector all = reduced(step, {{0, 1}}, 0, kCount);
  EXPECT_GT(std::ranges::count(all, std::byte{0}), kCount / 4);
  EXPECT_GT(std::ranges::count(all, std::byte{1}), kCount / 8);
}

TEST(StepValues, MagnitudesDiffer) {
  const Step step = reducing(ReduceKind::Sum, DType::F32);
  const ByteVector v = made(step, 1, 0, kCount);
  size_t zeros = 0, tiny = 0, huge = 0;
  for (size_t i = 0; i < kCount; ++i) {
    const float x = std::abs(reinterpret_cast<const float*>(v.data())[i]);
    zeros += x == 0;
    tiny += x > 0 && x < 1e-9f;
    huge += x > 1e9f;
  }
  EXPECT_GT(zeros, 0u);
  EXPECT_GT(tiny, 0u);
  EXPECT_GT(huge, 0u);
}

}  // namespace
}  // namespace dlslime
