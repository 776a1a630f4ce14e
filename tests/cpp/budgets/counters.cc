#include "budgets/counters.h"

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <utility>

namespace dlslime::budgets {
namespace {

// Both constant-initialised: malloc comes here before any constructor has run.
constinit thread_local Counts* counts = nullptr;
// What the kernel looks at before it makes a system call of this thread.
constinit thread_local volatile char selector = 0;
constexpr char kLetThrough = 0, kTurnBack = 1;

}  // namespace

#if defined(__x86_64__)
#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_OFF 0
#define PR_SYS_DISPATCH_ON 1
#endif

// The only place from which system calls pass while the selector says kTurnBack: to make the one that was counted, and to return from
// the signal.
asm(R"(
  .pushsection .text
  .balign 64
dlslime_budget_gate:
dlslime_budget_call:
  mov %rdi, %rax
  mov %rsi, %rcx
  mov 0(%rcx), %rdi
  mov 8(%rcx), %rsi
  mov 16(%rcx), %rdx
  mov 24(%rcx), %r10
  mov 32(%rcx), %r8
  mov 40(%rcx), %r9
  syscall
  ret
dlslime_budget_restore:
  mov $15, %eax
  syscall
  ud2  # what counts is where a call would return to
dlslime_budget_gate_end:
  .popsection
)");
extern "C" {
extern const char dlslime_budget_gate[], dlslime_budget_gate_end[];
long dlslime_budget_call(long number, const long* arguments);
void dlslime_budget_restore();
}

namespace {

void turned_back(int, siginfo_t*, void* context) {
  auto* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const long number = registers[REG_RAX];
  const long arguments[6] = {registers[REG_RDI], registers[REG_RSI], registers[REG_RDX],
                             registers[REG_R10], registers[REG_R8],  registers[REG_R9]};
  if (counts) {
    ++counts->system_calls;
    counts->last_system_call = int(number);
  }
  registers[REG_RAX] = dlslime_budget_call(number, arguments);
}

// As the kernel knows it: libc's own would put its restorer in, which the gate does not let through.
struct KernelAction {
  void (*handler)(int, siginfo_t*, void*);
  unsigned long flags;
  void (*restorer)();
  unsigned long mask;
};

bool install() {
  constexpr unsigned long kRestorer = 0x04000000;
  const KernelAction action{turned_back, SA_SIGINFO | SA_NODEFER | kRestorer, dlslime_budget_restore, 0};
  return syscall(SYS_rt_sigaction, SIGSYS, &action, nullptr, sizeof action.mask) == 0;
}

// Of this thread; once for all, the selector does the rest.
bool watched() {
  static const bool installed = install();
  thread_local const bool on =
      installed && prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, dlslime_budget_gate,
                         dlslime_budget_gate_end - dlslime_budget_gate, &selector) == 0;
  return on;
}

}  // namespace
#else
namespace {
bool watched() { return false; }
}  // namespace
#endif

bool system_calls_countable() { return watched(); }

Counting::Counting(Counts& into) {
  const bool can = watched();
  counts = &into;
  if (can) selector = kTurnBack;
}

Counting::~Counting() {
  selector = kLetThrough;
  counts = nullptr;
}

NotCounting::NotCounting() : before_(std::exchange(counts, nullptr)) { selector = kLetThrough; }

NotCounting::~NotCounting() {
  counts = before_;
  if (counts && watched()) selector = kTurnBack;
}

}  // namespace dlslime::budgets

// ---- what is counted ----

using dlslime::budgets::counts;

extern "C" {

void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t number, size_t bytes);
void* __libc_realloc(void* old, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);

void* malloc(size_t bytes) {
  if (counts) ++counts->allocations;
  return __libc_malloc(bytes);
}
void* calloc(size_t number, size_t bytes) {
  if (counts) ++counts->allocations;
  return __libc_calloc(number, bytes);
}
void* realloc(void* old, size_t bytes) {
  if (counts) ++counts->allocations;
  return __libc_realloc(old, bytes);
}
void* memalign(size_t alignment, size_t bytes) {
  if (counts) ++counts->allocations;
  return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }
int posix_memalign(void** out, size_t alignment, size_t bytes) {
  *out = memalign(alignment, bytes);
  return *out ? 0 : ENOMEM;
}

void* __real_memcpy(void* to, const void* from, size_t bytes);
void* __real_memmove(void* to, const void* from, size_t bytes);
int __real_pthread_mutex_lock(pthread_mutex_t* mutex);

void* __wrap_memcpy(void* to, const void* from, size_t bytes) {
  if (counts) counts->copied += bytes;
  return __real_memcpy(to, from, bytes);
}
void* __wrap_memmove(void* to, const void* from, size_t bytes) {
  if (counts) counts->copied += bytes;
  return __real_memmove(to, from, bytes);
}
int __wrap_pthread_mutex_lock(pthread_mutex_t* mutex) {
  if (counts) ++counts->mutexes;
  return __real_pthread_mutex_lock(mutex);
}

}  // extern "C"
