// Interrupt: Ctrl-C while a thread waits in here.
//
// Threads:    any; only the main one answers (Python runs its signal handlers there).
// Errors:     pending() is false where Python is not running.
// Invariants: takes the GIL for a moment; never call it under the token or while holding a lock.
#pragma once

namespace dlslime {

// How long a blocking call may go on without looking. The sleep under it may add as much again.
inline constexpr int kInterruptIntervalMs = 50;

// A signal handler has raised: the exception is kept, throw it with rethrow_interrupt() once everything has
// unwound.
bool interrupted();
[[noreturn]] void rethrow_interrupt();

}  // namespace dlslime
