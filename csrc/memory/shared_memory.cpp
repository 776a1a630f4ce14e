#include "memory/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "base/random.h"
#include "memory/proc.h"

namespace dlslime {
namespace {

Status stranger() {
  return {Code::kUnavailable,
          "what has the peer's process and descriptor number here is not the peer's memory"};
}

constexpr char kMemfd[] = "/memfd:dlslime-";  // how /proc shows what create() makes

// /proc/PID/fd/N of a peer, seen to be such memory before it is opened: opening a stranger's terminal or device has effects.
Status open_memfd(int pid, int32_t fd, int flags, UniqueFd* out) {
  const std::string path = descriptor_of(pid, fd), target = link_target(path);
  if (target.empty()) {
    const bool denied = errno == EACCES || errno == EPERM;
    return failed(std::string("looking at the peer's descriptors under /proc") +
                  (denied ? " (other user, not dumpable, or forbidden by policy)" : ""));
  }
  if (!target.starts_with(kMemfd)) return stranger();
  out->reset(::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY));
  return *out ? Status() : failed("opening the peer's shared memory");
}

struct Offer {
  int32_t fd;
  int32_t reserved;
  uint64_t mapped;
  Nonce nonce;
};
static_assert(sizeof(Offer) == SharedMemory::kOfferBytes);

}  // namespace

SharedMemory::SharedMemory(SharedMemory&& other) noexcept
    : at_(std::exchange(other.at_, nullptr)),
      mapped_(std::exchange(other.mapped_, 0)),
      fd_(std::move(other.fd_)) {}

SharedMemory& SharedMemory::operator=(SharedMemory&& other) noexcept {
  if (this != &other) {
    this->~SharedMemory();
    new (this) SharedMemory(std::move(other));
  }
  return *this;
}

SharedMemory::~SharedMemory() {
  if (at_) munmap(at_, mapped_);
}

Status SharedMemory::map(int fd, size_t bytes, Access access) {
  const int rights = access == Access::kRead ? PROT_READ : PROT_READ | PROT_WRITE;
  void* at = mmap(nullptr, bytes, rights, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) return failed("mmap of " + std::to_string(bytes) + " shared bytes");
  (void)madvise(at, bytes, MADV_DONTDUMP);
  at_ = static_cast<std::byte*>(at);
  mapped_ = bytes;
  return {};
}

Status SharedMemory::create(const char* label, size_t bytes, SharedMemory* out) {
  SharedMemory memory;
  const size_t mapped = kHead + bytes;
  memory.fd_.reset(memfd_create(("dlslime-" + std::string(label)).c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory.fd_) return failed("memfd_create");
  if (ftruncate(memory.fd_.get(), off_t(mapped)) != 0)
    return failed("ftruncate of " + std::to_string(mapped) + " shared bytes");
  // Nobody may shrink it under a peer's feet (SIGBUS).
  if (fcntl(memory.fd_.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return failed("sealing shared memory");
  if (Status status = memory.map(memory.fd_.get(), mapped, Access::kReadWrite); !status.ok()) return status;
  const Nonce nonce = random_value<Nonce>();
  std::memcpy(memory.at_, nonce.data(), nonce.size());
  *out = std::move(memory);
  return {};
}

size_t SharedMemory::give_back(size_t from, size_t bytes) const {
  static const auto kPage = size_t(sysconf(_SC_PAGESIZE));
  const size_t begin = (kHead + from + kPage - 1) / kPage * kPage,
               end = (kHead + from + bytes) / kPage * kPage;
  if (end <= begin) return from;
  // Where the system refuses, the memory stays as it is: nobody needs to know.
  (void)fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off_t(begin), off_t(end - begin));
  return end - kHead;
}

std::string SharedMemory::offer() const {
  Offer offer{fd_.get(), 0, mapped_, nonce()};
  return {reinterpret_cast<const char*>(&offer), sizeof offer};
}

Status SharedMemory::open(int pid, std::string_view bytes, size_t expected, SharedMemory* out,
                          Access access) {
  Offer offer;
  if (bytes.size() != sizeof offer) return {Code::kInvalid, "no offer of shared memory"};
  std::memcpy(&offer, bytes.data(), sizeof offer);
  if (offer.mapped != kHead + expected) {
    return {Code::kMismatch, "the peer shares " + std::to_string(offer.mapped) + " bytes, " +
                                 std::to_string(kHead + expected) + " were expected"};
  }
  UniqueFd fd;
  const int flags = access == Access::kRead ? O_RDONLY : O_RDWR;
  if (Status opened = open_memfd(pid, offer.fd, flags, &fd); !opened.ok()) return opened;
  struct stat info {};
  if (fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode) || uint64_t(info.st_size) != offer.mapped)
    return stranger();
  const int seals = fcntl(fd.get(), F_GET_SEALS);
  if (seals < 0 || !(seals & F_SEAL_SHRINK)) return stranger();  // it could be cut off under our feet
  SharedMemory memory;
  if (Status status = memory.map(fd.get(), offer.mapped, access); !status.ok()) return status;
  if (memory.nonce() != offer.nonce) return stranger();
  *out = std::move(memory);
  return {};
}

}  // namespace dlslime
