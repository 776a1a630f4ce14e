// The narrow floats: all pairs of fp8, all codes and every rounding boundary of all six.
#include "fixture.h"

namespace dlslime {
namespace {

class Narrow : public ReduceTest, public testing::WithParamInterface<DType> {
 protected:
  // Rounds values through finish_partial and compares each code.
  void check_rounding(const std::vector<float>& values) {
    const DType type = GetParam();
    const size_t size = size_of(type);
    at_every_level([&] {
      Bytes out(values.size() * size);
      finish_partial({ReduceKind::Sum, type}, out.data(), values.data(), values.size());
      for (size_t i = 0; i < values.size(); ++i) {
        const unsigned code = out[i * size] | (size == 2 ? out[i * size + 1] << 8 : 0u);
        ASSERT_EQ(code, reference::code_of(type, values[i])) << std::hexfloat << values[i];
      }
    });
  }
};

TEST_P(Narrow, WidensEveryCode) {
  const DType type = GetParam();
  const size_t size = size_of(type), codes = size_t{1} << (8 * size);
  Bytes in(codes * size);
  for (size_t i = 0; i < in.size(); ++i) {
    in[i] = static_cast<unsigned char>(size == 1 ? i : i % 2 == 0 ? i / 2 : i / 512);
  }
  at_every_level([&] {
    std::vector<float> out(codes);
    const void* source = in.data();
    reduce_partial({ReduceKind::Sum, type}, out.data(), {&source, 1}, codes);
    for (size_t i = 0; i < codes; ++i) {
      const auto wanted = static_cast<float>(reference::value_of(type, static_cast<unsigned>(i)));
      if (std::isnan(wanted))
        ASSERT_TRUE(std::isnan(out[i])) << i;
      else
        ASSERT_EQ(std::memcmp(&out[i], &wanted, 4), 0) << i << ": " << out[i] << " for " << wanted;
    }
  });
}

// Each representable value, each midpoint to the next one, and the floats just beside them; both signs.
TEST_P(Narrow, RoundsToNearestEven) {
  const auto& ladder = reference::ladder_of(GetParam());
  std::vector<float> values;
  const auto add = [&](double value) {
    const auto at = static_cast<float>(value);
    for (const float near : {std::nextafterf(at, 0), at, std::nextafterf(at, HUGE_VALF)}) {
      values.push_back(near);
      values.push_back(-near);
    }
  };
  for (size_t i = 0; i < ladder.size(); ++i) {
    add(ladder[i]);
    if (i > 0) add((ladder[i - 1] + ladder[i]) / 2);
  }
  const double top = ladder.back(), step = top - ladder[ladder.size() - 2];
  for (const double beyond : {top + step / 2, top + step, top * 2, 3.4e38, HUGE_VAL, 1e-45, 1e-38})
    add(beyond);
  values.push_back(std::numeric_limits<float>::quiet_NaN());
  values.push_back(-std::numeric_limits<float>::quiet_NaN());
  check_rounding(values);
}

TEST_P(Narrow, RoundsRandomFloats) {
  std::vector<float> values(100'003);
  for (auto& value : values) {
    const uint32_t bits = random_();
    std::memcpy(&value, &bits, 4);
    if (random_() % 2 == 0)
      value = std::ldexp(1.f + static_cast<float>(bits % 8191) / 8192, static_cast<int>(bits % 40) - 24);
  }
  check_rounding(values);
}

class Fp8 : public Narrow {};

TEST_P(Fp8, AllPairs) {
  const DType type = GetParam();
  std::vector<Bytes> inputs(2, Bytes(65536));
  for (size_t i = 0; i < 65536; ++i) {
    inputs[0][i] = static_cast<unsigned char>(i);
    inputs[1][i] = static_cast<unsigned char>(i >> 8);
  }
  for (const auto kind : {ReduceKind::Sum, ReduceKind::Product, ReduceKind::Min, ReduceKind::Max}) {
    const Reduction op{kind, type};
    const auto expected = reference::reduce(op, inputs);
    at_every_level([&] {
      Bytes out(65536);
      reduce(op, out.data(), pointers(inputs), out.size());
      ASSERT_EQ(out, expected) << name_of(kind);
    });
  }
}

constexpr auto kName = [](const auto& info) { return std::string(name_of(info.param)); };
constexpr DType kFp8[] = {DType::F8E4M3FN, DType::F8E5M2, DType::F8E4M3FNUZ, DType::F8E5M2FNUZ};
INSTANTIATE_TEST_SUITE_P(Half, Narrow, testing::Values(DType::F16, DType::BF16), kName);
INSTANTIATE_TEST_SUITE_P(Fp8, Narrow, testing::ValuesIn(kFp8), kName);
INSTANTIATE_TEST_SUITE_P(All, Fp8, testing::ValuesIn(kFp8), kName);

}  // namespace
}  // namespace dlslime
