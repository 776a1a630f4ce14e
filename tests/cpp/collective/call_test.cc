// What ranks tell each other of a call comes back as it was, and anything off the wire prints.
#include "collective/call.h"

#include <gtest/gtest.h>

namespace dlslime {
namespace {

TEST(Call, ComesBackFromItsFingerprint) {
  Call call;
  call.kind = CollectiveKind::kReduce;
  call.dtype = DType::BF16;
  call.reduces = true;
  call.reduction = ReduceKind::Max;
  call.root = 3;
  call.bytes = 1000;
  call.sequence = 77;
  for (const Layout layout : {Layout::kRows, Layout::kChannelsLast, Layout::kChannelsLast3d}) {
    call.layout = layout;
    const Call back = Call::from(call.fingerprint());
    EXPECT_EQ(back.fingerprint(), call.fingerprint());
    EXPECT_EQ(back.layout, layout);
    EXPECT_EQ(back.root, 3);
    EXPECT_EQ(back.describe(), call.describe());
  }
}

TEST(Call, SaysInWhichOrderElementsLie) {
  Call call;
  call.kind = CollectiveKind::kAllReduce;
  call.dtype = DType::F32;
  call.reduces = true;
  call.bytes = 4000;
  EXPECT_EQ(call.describe(), "all_reduce(sum, 1000 x float32)");
  const uint64_t in_rows = call.what();
  const uint32_t history = call.history_with_it();
  call.layout = Layout::kChannelsLast;
  EXPECT_EQ(call.describe(), "all_reduce(sum, 1000 x float32 channels_last)");
  EXPECT_NE(call.what(), in_rows);
  EXPECT_NE(call.history_with_it(), history);
}

TEST(Call, PrintsWhateverComesOffTheWire) {
  for (int bit = 0; bit < 64; ++bit) {
    for (const uint64_t what : {uint64_t(1) << bit, ~(uint64_t(1) << bit), ~uint64_t(0)})
      EXPECT_FALSE(Call::from_what(what).describe().empty());
  }
}

}  // namespace
}  // namespace dlslime
