// The plan that is shipped. `dlslime tune` measures one for the machine at hand.
#include "collective/plan.h"

namespace dlslime {

constexpr std::string_view kBuiltInPlan = R"(
all_reduce local up to 64 B: line
all_reduce local up to 32 KiB: one_shot
all_reduce local up to *: two_shot
reduce local up to 32 KiB: at_root
reduce local up to *: two_shot
broadcast local up to 64 B: line
broadcast local up to *: staged
all_gather local up to 16 KiB: staged
all_gather local up to *: pull
gather local up to *: staged
scatter local up to *: staged
reduce_scatter local up to *: staged
all_to_all local up to 16 KiB: staged
all_to_all local up to *: pull

all_reduce wire up to 16 KiB: direct
all_reduce wire up to 4 MiB: shards by 1 MiB
all_reduce wire up to *: shards by 2 MiB
reduce wire up to 16 KiB: direct
reduce wire up to 4 MiB: shards by 1 MiB
reduce wire up to *: shards by 2 MiB
broadcast wire up to 64 KiB: tree
broadcast wire up to *: spread
all_gather wire up to *: direct
gather wire up to *: direct
scatter wire up to *: direct
reduce_scatter wire up to 1 MiB: shards by 1 MiB
reduce_scatter wire up to *: shards by 2 MiB
all_to_all wire up to *: direct

all_reduce hosts up to 64 KiB: direct
all_reduce hosts up to *: shards by 2 MiB
broadcast hosts up to 64 KiB: tree
broadcast hosts up to *: shards by 2 MiB
all_gather hosts up to *: shards by 2 MiB
reduce_scatter hosts up to *: shards by 2 MiB
all_to_all hosts up to *: direct
)";

constexpr std::string_view kFastHandoverPlan = R"(
all_gather local up to *: staged
all_to_all local up to *: staged
)";

}  // namespace dlslime
