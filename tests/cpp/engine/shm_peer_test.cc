// Reading a peer's own memory: what has its process number by now may be somebody else.
#include <gtest/gtest.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>

#include "engine/runtime.h"
#include "engine/shm/process_page.h"

namespace dlslime::shm {
namespace {

std::array<std::byte, 64 << 10> buffer;  // at the same address in every child

// A child that says something when it is ready, and then waits to be killed.
class Child {
 public:
  explicit Child(const std::function<std::string()>& begins) {
    int ends[2];
    if (pipe(ends) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
      const std::string says = begins();
      (void)!write(ends[1], says.data(), says.size());
      while (true) pause();
    }
    char text[1024];
    const ssize_t n = ::read(ends[0], text, sizeof text);
    says_.assign(text, size_t(std::max<ssize_t>(n, 0)));
    close(ends[0]);
    close(ends[1]);
  }
  ~Child() { end(); }
  void end() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  pid_t pid() const { return pid_; }
  const std::string& says() const { return says_; }

 private:
  pid_t pid_ = 0;
  std::string says_;
};

// A process with the number of one that has ended: -1 where it is not ours to choose.
pid_t start_as(pid_t number) {
  clone_args args{};
  args.exit_signal = SIGCHLD;
  args.set_tid = reinterpret_cast<uint64_t>(&number);
  args.set_tid_size = 1;
  const long pid = syscall(SYS_clone3, &args, sizeof args);
  while (pid == 0) pause();
  return pid_t(pid);
}

std::string becomes_a_peer() {
  buffer.fill(std::byte(7));
  static std::unique_ptr<ProcessPage> page;
  return ProcessPage::create(&page).ok() ? page->address() : "";
}

struct ShmPeerTest : testing::Test {
  ShmPeerTest() : child(becomes_a_peer), into(buffer.size()) {
    const PeerInfo self = new_identity("this host");
    PeerInfo other = new_identity("this host");
    other.pid = child.pid();
    other.addresses["shm"] = child.says();
    opened = ShmPeer::open(self, other, &peer);
  }
  void SetUp() override {
    ASSERT_TRUE(opened.ok()) << opened.to_string();
    if (!peer->can_read()) GTEST_SKIP() << peer->why_unreadable();
  }
  Status read(const void* from) { return peer->read(reinterpret_cast<uintptr_t>(from), into); }

  Child child;
  std::vector<std::byte> into;
  std::unique_ptr<ShmPeer> peer;
  Status opened;
};

TEST_F(ShmPeerTest, ReadsWhatIsThere) {
  EXPECT_TRUE(read(buffer.data()).ok());
  EXPECT_TRUE(std::ranges::all_of(into, [](std::byte one) { return one == std::byte(7); }));
}

TEST_F(ShmPeerTest, WhatIsNotThereIsAnErrorOfItsOwn) {
  const Status status = read(nullptr);
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_NE(status.what().find("reading 65536 bytes of process"), std::string::npos) << status.what();
}

TEST_F(ShmPeerTest, WhoIsGoneIsNotRead) {
  child.end();
  EXPECT_EQ(read(buffer.data()).code(), Code::kPeerDied);
}

TEST_F(ShmPeerTest, WhoHasItsNumberByNowIsNotThePeer) {
  const pid_t number = child.pid();
  child.end();
  const pid_t heir = start_as(number);
  if (heir < 0) GTEST_SKIP() << "process numbers can't be chosen here: " << std::strerror(errno);
  ASSERT_EQ(heir, number);
  const Status there = read(buffer.data()), not_there = read(nullptr);
  kill(heir, SIGKILL);
  waitpid(heir, nullptr, 0);
  EXPECT_EQ(there.code(), Code::kPeerDied) << there.to_string();
  EXPECT_EQ(not_there.code(), Code::kPeerDied) << not_there.to_string();
}

// It has everything else of its parent's at the same place.
TEST(ShmPeer, AForkedChildIsNotItsParent) {
  std::unique_ptr<ProcessPage> page;
  ASSERT_TRUE(ProcessPage::create(&page).ok());
  const Child child([] { return "here"; });
  const PeerInfo self = new_identity("this host");
  PeerInfo other = self;
  other.addresses["shm"] = page->address();
  for (const pid_t pid : {getpid(), child.pid()}) {
    std::unique_ptr<ShmPeer> peer;
    other.pid = pid;
    ASSERT_TRUE(ShmPeer::open(self, other, &peer).ok());
    EXPECT_EQ(peer->can_read(), pid == getpid()) << peer->why_unreadable();
  }
}

}  // namespace
}  // namespace dlslime::shm
