#include "engine/shm/process_page.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "memory/proc.h"

namespace dlslime::shm {
namespace {

// Process numbers mean something within one of these only.
std::string pid_namespace() { return link_target("/proc/self/ns/pid"); }

// Peers are found under /proc by the number that they know themselves by.
Status check_proc() {
  const std::string self = link_target("/proc/self");
  if (self.empty()) return {Code::kUnavailable, "no /proc is mounted here"};
  if (self == std::to_string(getpid())) return {};
  return {Code::kUnavailable, "/proc was mounted in another PID namespace than this process runs in"};
}

void* pointer(uint64_t address) { return reinterpret_cast<void*>(address); }

}  // namespace

Status ProcessPage::create(std::unique_ptr<ProcessPage>* out) {
  if (Status proc = check_proc(); !proc.ok()) return proc;
  auto page = std::make_unique<ProcessPage>();
  if (Status status = SharedMemory::create("process", sizeof(PageContents), &page->memory_); !status.ok())
    return status;
  void* const proof =
      mmap(nullptr, sizeof(Nonce), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (proof == MAP_FAILED) return failed("mmap");
  (void)madvise(proof, sizeof(Nonce), MADV_WIPEONFORK);  // where the system can't, a child has it, too
  page->proof_.reset(new (proof) Nonce(page->memory_.nonce()));
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return failed("pipe2");
  page->bell_read_.reset(ends[0]);
  page->bell_write_.reset(ends[1]);
  *out = std::move(page);
  return {};
}

std::string ProcessPage::address() const {
  // By where the proof lies in this process's memory a peer finds out whether it may read that memory.
  const std::string proof_at = std::to_string(reinterpret_cast<uintptr_t>(proof_.get()));
  return pack({{"page", memory_.offer()},
               {"bell", std::to_string(bell_write_.get())},
               {"proof_at", proof_at},
               {"pid_namespace", pid_namespace()}});
}

void ProcessPage::silence() {
  char drain[256];
  while (::read(bell_read_.get(), drain, sizeof drain) == ssize_t(sizeof drain)) {
  }
}

size_t ProcessPage::show(const SharedHeap& heap) {
  const size_t count = heap.arenas();
  for (size_t i = contents().arena_count.load(std::memory_order_relaxed); i < count; ++i) {
    const auto mapping = heap.arena(i).mapping();
    PageContents::Arena& shown = contents().arenas[i];
    shown.address = reinterpret_cast<uintptr_t>(mapping.data());
    shown.bytes = mapping.size();
    std::ranges::copy(heap.arena(i).offer(), shown.offer.begin());
  }
  contents().arena_count.store(count, std::memory_order_release);
  return count;
}

Status ShmPeer::open(const PeerInfo& self, const PeerInfo& peer, std::unique_ptr<ShmPeer>* out) {
  if (peer.host != self.host) return {Code::kElsewhere, "another host"};
  const auto address = peer.addresses.find("shm");
  if (address == peer.addresses.end()) return {Code::kUnavailable, "the peer does not offer shared memory"};
  Blob parts;
  if (Status status = unpack(address->second, &parts); !status.ok()) return status;
  if (parts["pid_namespace"] != pid_namespace())
    return {Code::kUnavailable, "the peer runs in another PID namespace"};
  auto opened = std::make_unique<ShmPeer>();
  opened->pid_ = peer.pid;
  opened->pidfd_.reset(int(syscall(SYS_pidfd_open, peer.pid, 0)));
  if (!opened->pidfd_) return failed("pidfd_open of the peer's process");
  if (Status status = SharedMemory::open(peer.pid, parts["page"], sizeof(PageContents), &opened->memory_,
                                         SharedMemory::Access::kRead);
      !status.ok()) {
    return status;
  }
  // For reading too: who holds the only other reader may die, and then a write would end this process by SIGPIPE.
  const std::string bell = descriptor_of(peer.pid, std::atoi(parts["bell"].c_str()));
  if (!link_target(bell).starts_with("pipe:")) return {Code::kUnavailable, "the peer's bell is no pipe"};
  opened->bell_.reset(::open(bell.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!opened->bell_) return failed("opening the peer's bell");
  opened->proof_at_ = std::strtoull(parts["proof_at"].c_str(), nullptr, 10);
  opened->why_unreadable_ = opened->probe();
  *out = std::move(opened);
  return {};
}

// Why the peer's memory can't be read; empty: it can, and it is the peer's.
std::string ShmPeer::probe() const {
  Nonce seen{};
  const iovec local{seen.data(), seen.size()}, remote{pointer(proof_at_), seen.size()};
  const ssize_t n = process_vm_readv(pid_, &local, 1, &remote, 1, 0);
  if (n < 0) return std::string("process_vm_readv: ") + std::strerror(errno);
  return size_t(n) == seen.size() && seen == memory_.nonce() ? "" : "process_vm_readv reads something else";
}

Status ShmPeer::gone() const { return {Code::kPeerDied, "process " + std::to_string(pid_) + " is gone"}; }

// The peer may end, and its number be given to another process, at any time before a call, but a call reads one process only. So each
// reads the proof behind the payload: who has it there was the peer then, and before. To ask the pidfd afterwards costs as much.
Status ShmPeer::read(uint64_t address, std::span<std::byte> into) const {
  while (!into.empty()) {
    Nonce seen{};
    const iovec local[] = {{into.data(), into.size()}, {seen.data(), seen.size()}};
    const iovec remote[] = {{pointer(address), into.size()}, {pointer(proof_at_), seen.size()}};
    const ssize_t n = process_vm_readv(pid_, local, 2, remote, 2, 0);
    if (n < 0 && errno == ESRCH) return gone();
    const bool nothing_there = n < 0 && (errno == EFAULT || errno == EPERM);
    if (n <= 0) {
      Status why =
          failed("reading " + std::to_string(into.size()) + " bytes of process " + std::to_string(pid_));
      return nothing_there && !probe().empty() ? gone() : why;
    }
    if (size_t(n) >= into.size()) return seen == memory_.nonce() ? Status() : gone();
    address += size_t(n);
    into = into.subspan(size_t(n));
  }
  return {};
}

bool ShmPeer::map_shown() {
  const uint64_t shown =
      std::min<uint64_t>(contents().arena_count.load(std::memory_order_acquire), SharedHeap::kMostArenas);
  for (size_t i = arena_count_.load(std::memory_order_relaxed); i < shown && !unmappable_; ++i) {
    const PageContents::Arena its = contents().arenas[i];
    const std::string_view offer(its.offer.data(), its.offer.size());
    const Status opened = SharedMemory::open(pid_, offer, its.bytes - SharedMemory::kHead, &arenas_[i].memory,
                                             SharedMemory::Access::kRead);
    unmappable_ = !opened.ok();
    if (unmappable_) {
      log_warning(
          "process " + std::to_string(pid_) +
          " shares tensors that can't be mapped here, so that they are moved as others: " + opened.what());
      break;
    }
    arenas_[i].address = its.address;
    arena_count_.store(i + 1, std::memory_order_release);
  }
  return !unmappable_;
}

const std::byte* ShmPeer::mapped(uint64_t address, size_t bytes) const {
  const size_t count = arena_count_.load(std::memory_order_acquire);
  for (size_t i = 0; i < count; ++i) {
    const std::span<const std::byte> here = arenas_[i].memory.mapping();
    const uint64_t offset = address - arenas_[i].address;
    if (offset < here.size() && bytes <= here.size() - offset) return here.data() + offset;
  }
  return nullptr;
}

void ShmPeer::wake() const {
  const char one = 1;
  (void)!::write(bell_.get(), &one, 1);  // a full pipe rings as well
}

}  // namespace dlslime::shm
