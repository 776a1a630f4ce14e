#include "support/seeds.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace dlslime {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kSlower = 10;
#else
constexpr int kSlower = 1;
#endif

uint64_t number_from(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text && *text ? std::strtoull(text, nullptr, 0) : otherwise;
}

void tell(uint64_t seed) {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  const std::string name = std::string(test->test_suite_name()) + "." + test->name();
  std::fprintf(stderr, "seed %llu failed; again: DLSLIME_SIM_SEED=%llu <this test> --gtest_filter=%s\n",
               static_cast<unsigned long long>(seed), static_cast<unsigned long long>(seed), name.c_str());
}

}  // namespace

void for_each_seed(int count, const std::function<void(uint64_t seed)>& body) {
  constexpr uint64_t kNone = UINT64_MAX;
  const uint64_t only = number_from("DLSLIME_SIM_SEED", kNone);
  const uint64_t own = uint64_t(std::max(1, count / kSlower));
  const uint64_t first = only == kNone ? 1 : only;
  const uint64_t last = only == kNone ? number_from("DLSLIME_SIM_SEEDS", own) : only;
  for (uint64_t seed = first; seed <= last; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    body(seed);
    if (testing::Test::HasFailure()) return tell(seed);
  }
}

}  // namespace dlslime
