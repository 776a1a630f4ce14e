// for_each_seed: a test over many seeds, which says how to run the one that failed again.
//
// Environment: DLSLIME_SIM_SEED=s runs only seed s; DLSLIME_SIM_SEEDS=n runs n seeds instead of the test's
// own number.
//              Without either, sanitized builds run a tenth.
#pragma once
#include <cstdint>
#include <functional>

namespace dlslime {

// Stops at the first seed after which the current test has failed.
void for_each_seed(int count, const std::function<void(uint64_t seed)>& body);

}  // namespace dlslime
