// Tensors that a peer shows and this process can't map, or that are not what the page says: they are moved as others.
#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>
#include <utility>

#include "engine/runtime.h"
#include "engine/shm/shm_pages.h"

namespace dlslime::shm {
namespace {

// One rank's side; the other's sits in the same process.
struct Side final : PeerDirectory {
  explicit Side(int rank) : self(new_identity("this host")) {
    EXPECT_TRUE(ProcessPage::create(&page).ok());
    self.pid = getpid();
    self.addresses["shm"] = page->address();
    EXPECT_TRUE(ShmPages::create({rank, 2, 8, 4096}, *this, &pages).ok());
    EXPECT_TRUE(own.allocate(100, &block).ok());
  }
  Status meet(const PeerInfo& peer, std::shared_ptr<ShmPeer>* out) override {
    std::unique_ptr<ShmPeer> opened;
    Status status = ShmPeer::open(self, peer, &opened);
    *out = std::move(opened);
    return status;
  }
  const SharedHeap& heap() const override { return own; }
  size_t show_heap() override { return page->show(own); }
  bool is_mapped() { return pages->is_mapped(block); }

  SharedHeap own;
  PeerInfo self;
  std::unique_ptr<ProcessPage> page;
  std::unique_ptr<ShmPages> pages;
  std::span<std::byte> block;
};

struct Sides {
  Sides() {
    EXPECT_TRUE(a.pages->attach(1, b.self, b.pages->offer()).ok());
    EXPECT_TRUE(b.pages->attach(0, a.self, a.pages->offer()).ok());
  }
  uint64_t address() const { return reinterpret_cast<uintptr_t>(a.block.data()); }
  PageContents& shown_by_a() { return a.page->contents(); }
  Side a{0}, b{1};
  const std::byte* at = nullptr;
};

TEST(ShmHeap, IsMappedFromTheSecondCallOn) {
  Sides both;
  EXPECT_FALSE(both.a.is_mapped());
  EXPECT_FALSE(both.b.is_mapped());
  EXPECT_TRUE(both.a.is_mapped());
  EXPECT_TRUE(both.b.is_mapped());
  ASSERT_TRUE(both.b.pages->mapped(0, both.address(), 100, &both.at).ok());
  both.a.block[99] = std::byte{7};
  EXPECT_EQ(both.at[99], std::byte{7});
}

// Who can't read all of a peer's must not say yes for its own: all ranks would read that peer's tensor where it lies.
TEST(ShmHeap, WhoCanNotMapAPeersSaysNo) {
  const std::pair<const char*, std::function<void(PageContents::Arena&)>> forged[] = {
      {"another nonce", [](auto& arena) { arena.offer.back() ^= 1; }},
      {"no bytes", [](auto& arena) { arena.bytes = 0; }},
      {"fewer bytes", [](auto& arena) { arena.bytes -= 4096; }},
      {"more bytes", [](auto& arena) { arena.bytes *= 2; }},
      {"no descriptor", [](auto& arena) { arena.offer.fill(char(-1)); }},
  };
  for (const auto& [what, forge] : forged) {
    SCOPED_TRACE(what);
    Sides both;
    both.a.is_mapped();
    forge(both.shown_by_a().arenas[0]);
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(both.b.is_mapped());
    EXPECT_EQ(both.b.pages->mapped(0, both.address(), 1, &both.at).code(), Code::kInvalid);
  }
}

TEST(ShmHeap, MoreArenasThanThereCanBe) {
  Sides both;
  both.a.is_mapped();
  both.shown_by_a().arena_count = UINT64_MAX;
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(both.b.is_mapped());
}

// Whatever address a page gives its arena, nothing beside the mapping is read.
TEST(ShmHeap, AForgedAddressLeadsNowhereElse) {
  for (const uint64_t forged : {uint64_t(0), UINT64_MAX - 10, uint64_t(1) << 63}) {
    Sides both;
    both.a.is_mapped();
    both.shown_by_a().arenas[0].address = forged;
    both.b.is_mapped();
    EXPECT_TRUE(both.b.is_mapped());
    EXPECT_FALSE(both.b.pages->mapped(0, forged - 1, 1, &both.at).ok());
    EXPECT_FALSE(both.b.pages->mapped(0, forged + SharedHeap::kSmallestArena, 1, &both.at).ok());
    EXPECT_FALSE(both.b.pages->mapped(0, forged + 1, SharedHeap::kSmallestArena, &both.at).ok());
    ASSERT_TRUE(both.b.pages->mapped(0, forged + 1, SharedHeap::kSmallestArena - 1, &both.at).ok());
    EXPECT_EQ(both.at[SharedHeap::kSmallestArena - 2], std::byte{0});
  }
}

}  // namespace
}  // namespace dlslime::shm
