// The rules a reader would look up, each by an example: NaN, signed zero, averages, factors, refusals.
#include <bit>
#include <stdexcept>

#include "fixture.h"

namespace dlslime {
namespace {

class Rules : public ReduceTest {
 protected:
  template <class T>
  std::vector<T> apply(const Reduction& op, const std::vector<std::vector<T>>& sources) {
    std::vector<const void*> at;
    for (const auto& source : sources) at.push_back(source.data());
    std::vector<T> out(sources[0].size());
    reduce(op, out.data(), at, out.size());
    return out;
  }
};

constexpr float kInf = std::numeric_limits<float>::infinity();
const float kNan = std::numeric_limits<float>::quiet_NaN();

TEST_F(Rules, EveryNanIsTheCanonicalOne) {
  const auto odd = std::bit_cast<float>(0xffc12345u);  // negative, with a payload
  at_every_level([&] {
    for (const auto kind :
         {ReduceKind::Sum, ReduceKind::Product, ReduceKind::Min, ReduceKind::Max, ReduceKind::Avg}) {
      const auto out = apply<float>({kind, DType::F32, 2}, {{odd, 1, odd, odd}, {1, odd, odd, -odd}});
      for (const float value : out) EXPECT_EQ(std::bit_cast<uint32_t>(value), 0x7fc00000u) << name_of(kind);
    }
    EXPECT_EQ(std::bit_cast<uint32_t>(apply<float>({ReduceKind::Sum, DType::F32}, {{kInf}, {-kInf}})[0]),
              0x7fc00000u);
    EXPECT_EQ(std::bit_cast<uint32_t>(apply<float>({ReduceKind::Sum, DType::F32}, {{odd}})[0]), 0x7fc00000u);
    EXPECT_EQ(apply<uint16_t>({ReduceKind::Sum, DType::F16}, {{0xfd01}})[0], 0x7e00);
    EXPECT_EQ(apply<uint16_t>({ReduceKind::Sum, DType::BF16}, {{0xff81}})[0], 0x7fc0);
  });
}

TEST_F(Rules, NegativeZeroIsBelowZeroWhateverTheOrder) {
  at_every_level([&] {
    for (const auto& sources : {std::vector<std::vector<float>>{{-0.f}, {0.f}}, {{0.f}, {-0.f}}}) {
      EXPECT_TRUE(std::signbit(apply<float>({ReduceKind::Min, DType::F32}, sources)[0]));
      EXPECT_FALSE(std::signbit(apply<float>({ReduceKind::Max, DType::F32}, sources)[0]));
    }
  });
}

TEST_F(Rules, IntegersWrap) {
  at_every_level([&] {
    EXPECT_EQ(apply<int8_t>({ReduceKind::Sum, DType::I8}, {{127, -128}, {1, -1}}),
              (std::vector<int8_t>{-128, 127}));
    EXPECT_EQ(apply<uint16_t>({ReduceKind::Product, DType::U16}, {{65535}, {65535}})[0], 1);
    EXPECT_EQ(apply<int64_t>({ReduceKind::Product, DType::I64}, {{INT64_MAX}, {2}})[0], -2);
  });
}

TEST_F(Rules, AveragesTruncateTowardZero) {
  at_every_level([&] {
    EXPECT_EQ(apply<int32_t>({ReduceKind::Avg, DType::I32, 2}, {{-3, 3, 7}, {0, 0, -8}}),
              (std::vector<int32_t>{-1, 1, 0}));
    // A divisor int8 cannot hold.
    EXPECT_EQ(apply<int8_t>({ReduceKind::Avg, DType::I8, 300}, {{100}, {27}})[0], 0);
    EXPECT_EQ(apply<uint64_t>({ReduceKind::Avg, DType::U64, 2}, {{UINT64_MAX}, {0}})[0], UINT64_MAX / 2);
    EXPECT_EQ(apply<float>({ReduceKind::Avg, DType::F32, 3}, {{1}, {1}, {3}})[0], 5.f / 3.f);
  });
}

// 2048 + 1 is not a float16; kept in float32 the ones add up. The mean is rounded once, after the division.
TEST_F(Rules, HalvesRoundOnce) {
  constexpr uint16_t k2048 = 0x6800, kOne = 0x3c00, k2050 = 0x6801, kMax = 0x7bff;
  at_every_level([&] {
    EXPECT_EQ(apply<uint16_t>({ReduceKind::Sum, DType::F16}, {{k2048}, {kOne}, {kOne}})[0], k2050);
    EXPECT_EQ(apply<uint16_t>({ReduceKind::Avg, DType::F16, 2}, {{kMax}, {kMax}})[0], kMax);
  });
}

TEST_F(Rules, FactorsBelongToTheirSources) {
  const double halves[] = {0.5, 2, -1};
  at_every_level([&] {
    EXPECT_EQ(apply<double>({ReduceKind::PremulSum, DType::F64, 1, halves}, {{2}, {3}, {4}})[0], 3.0);
    // 0.5 is 0.
    EXPECT_EQ(apply<int32_t>({ReduceKind::PremulSum, DType::I32, 1, halves}, {{2}, {3}, {4}})[0], 2);
    EXPECT_EQ(apply<uint8_t>({ReduceKind::PremulSum, DType::U8, 1, halves}, {{0}, {0}, {1}})[0], 255);
    EXPECT_EQ(apply<float>({ReduceKind::PremulSum, DType::F32, 1, std::span(halves, 1)}, {{2}, {3}})[0], 4.f);
    EXPECT_EQ(apply<float>({ReduceKind::PremulSum, DType::F32}, {{2}, {3}})[0], 5.f);
  });
}

TEST_F(Rules, HugeFactorsOfIntegersSaturateTo64Bits) {
  const double huge[] = {1e300, -1e300, static_cast<double>(kNan)};
  at_every_level([&] {
    EXPECT_EQ(apply<uint64_t>({ReduceKind::PremulSum, DType::U64, 1, huge}, {{1}, {0}, {5}})[0], UINT64_MAX);
    EXPECT_EQ(apply<int64_t>({ReduceKind::PremulSum, DType::I64, 1, huge}, {{0}, {1}, {5}})[0], INT64_MIN);
  });
}

TEST_F(Rules, ComplexIsPairs) {
  const std::vector<std::vector<float>> sources{{1, 2, 3, 4}, {5, 6, 7, 8}};
  at_every_level([&] {
    std::vector<float> out(4);
    const void* at[] = {sources[0].data(), sources[1].data()};
    reduce({ReduceKind::Avg, DType::C64, 2}, out.data(), at, 2);
    EXPECT_EQ(out, (std::vector<float>{3, 4, 5, 6}));
  });
}

TEST_F(Rules, RefusesWhatHasNoMeaning) {
  float value = 0;
  const void* source = &value;
  const auto attempt = [&](ReduceKind kind, DType type) { reduce({kind, type}, &value, {&source, 1}, 0); };
  EXPECT_THROW(attempt(ReduceKind::BitAnd, DType::F32), std::invalid_argument);
  EXPECT_THROW(attempt(ReduceKind::BitXor, DType::BF16), std::invalid_argument);
  EXPECT_THROW(attempt(ReduceKind::Product, DType::C64), std::invalid_argument);
  EXPECT_THROW(attempt(ReduceKind::Max, DType::C128), std::invalid_argument);
  EXPECT_THROW(attempt(ReduceKind::Avg, DType::Bool), std::invalid_argument);
  EXPECT_THROW(attempt(static_cast<ReduceKind>(99), DType::F32), std::invalid_argument);
  EXPECT_THROW(attempt(ReduceKind::Sum, static_cast<DType>(99)), std::invalid_argument);
  EXPECT_THROW(reduce({ReduceKind::Sum, DType::F32}, &value, {}, 1), std::invalid_argument);
}

// A meaningful combination without a kernel would be a null call.
TEST_F(Rules, EveryMeaningfulCombinationRuns) {
  at_every_level([&] {
    for (size_t kind = 0; kind < kReduceKinds; ++kind) {
      for (size_t type = 0; type < kDTypes; ++type) {
        const Reduction op{static_cast<ReduceKind>(kind), static_cast<DType>(type)};
        if (!meaningful(op.kind, op.dtype)) continue;
        alignas(16) unsigned char element[16] = {};
        const void* source = element;
        EXPECT_NO_THROW(reduce(op, element, {&source, 1}, 1));
      }
    }
  });
}

}  // namespace
}  // namespace dlslime
