// Every operator x type x number of sources x size x aliasing x instruction set, against the slow reference.
#include "fixture.h"

namespace dlslime {
namespace {

constexpr size_t kSizes[] = {0, 1, 7, 31, 1031, 4096 + 3};
constexpr size_t kLargest = kSizes[5];
constexpr double kFactors[] = {0.5, 3, -1.25, 0, 7.9, 1, -2, 0.1};

class EveryType : public ReduceTest, public testing::WithParamInterface<int> {
 protected:
  void check(const Reduction& op, const std::vector<Bytes>& sources, const Bytes& expected) {
    const size_t size = size_of(op.dtype), last = sources.size() - 1;
    for (const size_t count : kSizes) {
      const Bytes wanted(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(count * size));
      Bytes out(count * size + 1, 0xa5);
      reduce(op, out.data(), pointers(sources), count);
      ASSERT_EQ(out.back(), 0xa5) << "wrote past the end";
      out.pop_back();
      ASSERT_EQ(out, wanted) << count;
      Bytes here(count * size), there(count * size);
      void* const both[] = {here.data(), there.data()};
      reduce(op, both, pointers(sources), count);
      ASSERT_EQ(here, wanted) << count << ", into two places";
      ASSERT_EQ(there, wanted) << count << ", into two places";
      for (const size_t alias : {size_t{0}, last}) {
        auto inputs = sources;
        inputs[alias].resize(count * size);
        auto at = pointers(inputs);
        reduce(op, inputs[alias].data(), at, count);
        ASSERT_EQ(inputs[alias], wanted) << count << ", output is source " << alias;
      }
    }
  }
};

TEST_P(EveryType, MatchesTheReference) {
  const auto type = static_cast<DType>(GetParam());
  for (size_t kind = 0; kind < kReduceKinds; ++kind) {
    Reduction op{static_cast<ReduceKind>(kind), type};
    if (!meaningful(op.kind, type)) continue;
    for (const size_t number : {1, 2, 3, 5, 8}) {
      SCOPED_TRACE(testing::Message() << name_of(op.kind) << " " << name_of(type) << " x " << number);
      op.divisor = static_cast<int>(number);
      op.factors = {kFactors, number};
      const auto inputs = sources(type, number, kLargest);
      const auto expected = reference::reduce(op, inputs);
      at_every_level([&] { check(op, inputs, expected); });
      if (HasFatalFailure()) return;
    }
  }
}

// Cut anywhere, at any address: the same bits.
TEST_P(EveryType, DoesNotDependOnSplitOrAlignment) {
  const auto type = static_cast<DType>(GetParam());
  const size_t size = size_of(type), count = 3001;
  const Reduction op{type == DType::Bool ? ReduceKind::Sum : ReduceKind::Avg, type, 6};
  const auto inputs = sources(type, 6, count);
  const auto expected = reference::reduce(op, inputs);
  at_every_level([&] {
    for (size_t shift = 0; shift < 3; ++shift) {
      std::vector<Bytes> shifted;
      for (const auto& input : inputs) {
        shifted.emplace_back(shift, 0);
        shifted.back().insert(shifted.back().end(), input.begin(), input.end());
      }
      Bytes out(count * size + shift);
      size_t first = 0;
      while (first < count) {
        const size_t piece = std::min<size_t>(count - first, 1 + random_() % 700);
        std::vector<const void*> at;
        for (const auto& source : shifted) at.push_back(source.data() + shift + first * size);
        reduce(op, out.data() + shift + first * size, at, piece);
        first += piece;
      }
      ASSERT_EQ(Bytes(out.begin() + static_cast<std::ptrdiff_t>(shift), out.end()), expected) << shift;
    }
  });
}

// Partial results, merged in order and finished, are the reduction; any grouping is for exact operators.
TEST_P(EveryType, PartialsThenFinishIsReduce) {
  const auto type = static_cast<DType>(GetParam());
  const size_t count = 2051, wide = size_of(accumulator_of(type));
  for (const auto kind : {ReduceKind::Sum, ReduceKind::Avg, ReduceKind::PremulSum, ReduceKind::Max}) {
    if (!meaningful(kind, type)) continue;
    const Reduction op{kind, type, 5, {kFactors, 5}};
    const auto inputs = sources(type, 5, count);
    const auto expected = reference::reduce(op, inputs);
    at_every_level([&] {
      Bytes acc(count * wide), out(count * size_of(type));
      reduce_partial(op, acc.data(), pointers(inputs), count);
      finish_partial(op, out.data(), acc.data(), count);
      ASSERT_EQ(out, expected) << name_of(kind);

      // One partial per source, folded with the accumulator as first operand.
      auto partials = sources(accumulator_of(type), 5, count);
      for (size_t k = 0; k < 5; ++k) {
        const Reduction own{kind, type, 5, op.factors.subspan(k, 1)};
        const void* source = inputs[k].data();
        reduce_partial(own, partials[k].data(), {&source, 1}, count);
      }
      merge_partial(op, partials[0].data(), pointers(partials), count);
      finish_partial(op, out.data(), partials[0].data(), count);
      ASSERT_EQ(out, expected) << name_of(kind);
    });
  }
}

INSTANTIATE_TEST_SUITE_P(Types, EveryType, testing::Range(0, static_cast<int>(kDTypes)),
                         [](const auto& info) {
                           return std::string(name_of(static_cast<DType>(info.param)));
                         });

}  // namespace
}  // namespace dlslime
