// What kind of processor this is, where a choice depends on it: of speed only, never of safety or of results.
//
// Threads: any.   Errors: none; an unknown processor is none of these.
#pragma once

namespace dlslime {

// One core reads what another has just written nearly as fast as what it wrote itself, so that two copies by two cores beat one by
// the system: AMD, 60 GB/s where process_vm_readv reaches 10 to 14. Intel: 12 and 5 to 10. Measured with two cores of a common L3
// each; where ranks share none, nobody has.
bool hands_over_fast();

}  // namespace dlslime
