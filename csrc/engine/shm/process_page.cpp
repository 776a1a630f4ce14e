#include "engine/shm/process_page.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "engine/shm/proc.h"

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

}  // namespace

Status ProcessPage::create(std::unique_ptr<ProcessPage>* out) {
  if (Status proc = check_proc(); !proc.ok()) return proc;
  auto page = std::make_unique<ProcessPage>();
  if (Status status = SharedMemory::create("process", sizeof(PageContents), &page->memory_); !status.ok())
    return status;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return failed("pipe2");
  page->bell_read_.reset(ends[0]);
  page->bell_write_.reset(ends[1]);
  *out = std::move(page);
  return {};
}

std::string ProcessPage::address() const {
  // Where the nonce lies in this process's memory lets a peer find out whether it may read that memory.
  const std::string nonce_at = std::to_string(reinterpret_cast<uintptr_t>(&memory_.nonce()));
  return pack({{"page", memory_.offer()},
               {"bell", std::to_string(bell_write_.get())},
               {"nonce_at", nonce_at},
               {"pid_namespace", pid_namespace()}});
}

void ProcessPage::silence() {
  char drain[256];
  while (::read(bell_read_.get(), drain, sizeof drain) == ssize_t(sizeof drain)) {
  }
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
  if (Status status = SharedMemory::open(peer.pid, parts["page"], sizeof(PageContents), &opened->memory_);
      !status.ok()) {
    return status;
  }
  // For reading too: who holds the only other reader may die, and then a write would end this process by SIGPIPE.
  const std::string bell = descriptor_of(peer.pid, std::atoi(parts["bell"].c_str()));
  if (!link_target(bell).starts_with("pipe:")) return {Code::kUnavailable, "the peer's bell is no pipe"};
  opened->bell_.reset(::open(bell.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!opened->bell_) return failed("opening the peer's bell");
  opened->why_unreadable_ = opened->probe(std::strtoull(parts["nonce_at"].c_str(), nullptr, 10));
  *out = std::move(opened);
  return {};
}

// Why the peer's memory can't be read; empty: it can, and it is the peer's.
std::string ShmPeer::probe(uint64_t nonce_at) const {
  Nonce seen{};
  iovec local{seen.data(), seen.size()}, remote{reinterpret_cast<void*>(nonce_at), seen.size()};
  const ssize_t n = process_vm_readv(pid_, &local, 1, &remote, 1, 0);
  if (n < 0) return std::string("process_vm_readv: ") + std::strerror(errno);
  return size_t(n) == seen.size() && seen == memory_.nonce() ? "" : "process_vm_readv reads something else";
}

Status ShmPeer::read(uint64_t address, std::span<std::byte> into) const {
  iovec local{into.data(), into.size()};
  iovec remote{reinterpret_cast<void*>(address), into.size()};
  while (local.iov_len) {
    const ssize_t n = process_vm_readv(pid_, &local, 1, &remote, 1, 0);
    if (n < 0 && errno == ESRCH) return {Code::kPeerDied, "process " + std::to_string(pid_) + " is gone"};
    if (n <= 0)
      return failed("reading " + std::to_string(local.iov_len) + " bytes of process " + std::to_string(pid_));
    local = {static_cast<char*>(local.iov_base) + n, local.iov_len - size_t(n)};
    remote = {static_cast<char*>(remote.iov_base) + n, remote.iov_len - size_t(n)};
  }
  return {};
}

void ShmPeer::wake() const {
  const char one = 1;
  (void)!::write(bell_.get(), &one, 1);  // a full pipe rings as well
}

}  // namespace dlslime::shm
