// Cpus: how many this process may really use: affinity, and the CPU bandwidth of its control groups.
//
// Threads: any.   Errors: none; what can't be read limits nothing.
#pragma once

namespace dlslime {

int usable_cpus();

}  // namespace dlslime
