// give_back: memory of this process that need not keep what it holds goes back to the system and takes none until it is written again.
//
// Threads:    any that is the only one to use the memory.
// Ownership:  the memory stays the caller's, who may write it again or free it.
// Errors:     none: what the system does not take back stays as it is.
// Units:      bytes; only whole pages go.
// Invariants: what is left holds anything.
#pragma once
#include <cstddef>
#include <span>

namespace dlslime {

void give_back(std::span<std::byte> memory);

}  // namespace dlslime
