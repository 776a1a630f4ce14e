// What a process maps of another one: proven to be what that one has made for it, before it is touched.
#include "memory/shared_memory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstring>

namespace dlslime {
namespace {

constexpr size_t kBytes = 4096;

Status open_here(const std::string& offer) {
  SharedMemory opened;
  return SharedMemory::open(getpid(), offer, kBytes, &opened);
}

// An offer that says all that `of`'s says but names another descriptor.
std::string forged(const SharedMemory& of, int32_t fd) {
  std::string offer = of.offer();
  std::memcpy(offer.data(), &fd, sizeof fd);
  return offer;
}

// Memory that looks like ours, its nonce included, with these seals.
UniqueFd twin(const SharedMemory& of, const char* name, int seals) {
  UniqueFd fd(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(ftruncate(fd.get(), SharedMemory::kHead + kBytes), 0);
  EXPECT_EQ(pwrite(fd.get(), of.nonce().data(), of.nonce().size(), 0), ssize_t(of.nonce().size()));
  EXPECT_EQ(fcntl(fd.get(), F_ADD_SEALS, seals), 0);
  return fd;
}

TEST(SharedMemory, OpensWhatWasOffered) {
  SharedMemory made, opened;
  ASSERT_TRUE(SharedMemory::create("test", kBytes, &made).ok());
  made.contents()[17] = std::byte(42);
  ASSERT_TRUE(SharedMemory::open(getpid(), made.offer(), kBytes, &opened).ok());
  EXPECT_EQ(opened.contents()[17], std::byte(42));
}

// The system itself can't write there on this process's behalf.
TEST(SharedMemory, WhatIsOpenedForReadingIsOnlyRead) {
  using Access = SharedMemory::Access;
  SharedMemory made;
  ASSERT_TRUE(SharedMemory::create("test", kBytes, &made).ok());
  const UniqueFd zeros(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  for (const Access access : {Access::kRead, Access::kReadWrite}) {
    SharedMemory opened;
    ASSERT_TRUE(SharedMemory::open(getpid(), made.offer(), kBytes, &opened, access).ok());
    EXPECT_EQ(::read(zeros.get(), opened.contents(), 1) == 1, access == Access::kReadWrite);
    EXPECT_EQ(opened.nonce(), made.nonce());
  }
}

TEST(SharedMemory, WithoutDescriptorsItSaysWhichLimitToRaise) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  SharedMemory made;
  const Status status = SharedMemory::create("test", kBytes, &made);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_NE(status.what().find("ulimit -n"), std::string::npos) << status.what();
}

TEST(SharedMemory, WhatCouldShrinkUnderOurFeetIsRefused) {
  SharedMemory made;
  ASSERT_TRUE(SharedMemory::create("test", kBytes, &made).ok());
  const UniqueFd sealed = twin(made, "dlslime-test", F_SEAL_SHRINK), open = twin(made, "dlslime-test", 0);
  EXPECT_TRUE(open_here(forged(made, sealed.get())).ok());
  EXPECT_FALSE(open_here(forged(made, open.get())).ok());
}

// A file system's file knows no seals, whatever it is called.
TEST(SharedMemory, AFileIsRefused) {
  SharedMemory made;
  ASSERT_TRUE(SharedMemory::create("test", kBytes, &made).ok());
  const char* path = "/memfd:dlslime-test";  // as /proc shows what memfd_create makes
  const UniqueFd file(::open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file) GTEST_SKIP() << "only root may make a file in /";
  ASSERT_EQ(ftruncate(file.get(), SharedMemory::kHead + kBytes), 0);
  ASSERT_EQ(pwrite(file.get(), made.nonce().data(), made.nonce().size(), 0), ssize_t(made.nonce().size()));
  const Status opened = open_here(forged(made, file.get()));
  unlink(path);
  EXPECT_FALSE(opened.ok());
}

TEST(SharedMemory, WhatIsNotOursIsRefused) {
  SharedMemory made, other;
  ASSERT_TRUE(SharedMemory::create("test", kBytes, &made).ok());
  ASSERT_TRUE(SharedMemory::create("test", 2 * kBytes, &other).ok());
  const UniqueFd foreign = twin(made, "somebody-else", F_SEAL_SHRINK);
  EXPECT_FALSE(open_here(forged(made, foreign.get())).ok());
  EXPECT_FALSE(open_here(forged(made, STDIN_FILENO)).ok());
  EXPECT_FALSE(open_here(forged(made, -1)).ok());
  EXPECT_FALSE(open_here(other.offer()).ok()) << "of another size";
  EXPECT_FALSE(open_here("nonsense").ok());
}

}  // namespace
}  // namespace dlslime
