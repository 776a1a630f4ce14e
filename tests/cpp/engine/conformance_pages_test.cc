// Conformance: shared pages, for the engines that have them.
#include <thread>

#include "engine/conformance.h"

namespace dlslime::conformance {
namespace {

std::unique_ptr<SharedPages> shared(Side& side, const SharedPages::Layout& layout) {
  std::unique_ptr<SharedPages> pages;
  const Status made = side.executor->with_token([&] { return side.engine->share(layout, &pages); });
  EXPECT_TRUE(made.ok()) << made.to_string();
  return pages;
}

// Both sides' pages, attached to each other.
struct Pages {
  explicit Pages(Table& t) {
    Side &a = t.pair->a, &b = t.pair->b;
    EXPECT_TRUE(a.engine->reach(b.info).ok() && b.engine->reach(a.info).ok());
    of_a = shared(a, {0, 2, 8, 5000});
    of_b = shared(b, {1, 2, 8, 5000});
    to_b = a.executor->with_token([&] { return of_a->attach(1, b.info, of_b->offer()); });
    to_a = b.executor->with_token([&] { return of_b->attach(0, a.info, of_a->offer()); });
  }
  bool attached() const { return to_a.ok() && to_b.ok(); }
  std::unique_ptr<SharedPages> of_a, of_b;
  Status to_a, to_b;
};

bool has_pages(const EngineFixture& fixture) {
  return fixture.make(1)->a.engine->capabilities().shared_pages;
}

#define NEED_PAGES() \
  if (!has_pages(GetParam())) GTEST_SKIP() << GetParam().name << " shares no pages"

TEST_P(Conformance, PublishedWordsArrive) {
  NEED_PAGES();
  each_unconnected([](Table& t) {
    Pages pages(t);
    ASSERT_TRUE(pages.attached()) << pages.to_a.to_string() << pages.to_b.to_string();
    EXPECT_EQ(pages.of_b->read(0, 3), 0u);
    pages.of_a->publish(3, 7);
    EXPECT_EQ(pages.of_a->read(0, 3), 7u) << "the writer sees it at once";
    ASSERT_TRUE(t.drive_until([&] { return pages.of_b->read(0, 3) == 7; }));
    pages.of_b->publish(3, 9);
    ASSERT_TRUE(t.drive_until([&] { return pages.of_a->read(1, 3) == 9; }));
    EXPECT_EQ(pages.of_a->read(0, 3), 7u) << "every rank has words of its own";
    EXPECT_EQ(pages.of_b->read(0, 2), 0u);
  });
}

TEST_P(Conformance, WordsOnlyGrow) {
  NEED_PAGES();
  each_unconnected([](Table& t) {
    Pages pages(t);
    ASSERT_TRUE(pages.attached());
    uint64_t seen = 0, next = 1;
    bool fell = false;
    ASSERT_TRUE(t.drive_until([&] {
      if (next <= 200) pages.of_a->publish(0, next++);
      const uint64_t now = pages.of_b->read(0, 0);
      fell |= now < seen;
      seen = now;
      return seen == 200;
    }));
    EXPECT_FALSE(fell);
  });
}

TEST_P(Conformance, PayloadAndDataAreSeenWithTheWord) {
  NEED_PAGES();
  each_unconnected([](Table& t) {
    Pages pages(t);
    ASSERT_TRUE(pages.attached());
    for (uint64_t round = 1; round <= 20; ++round) {
      const auto small = pattern(120, round), large = pattern(5000, round + 100);
      std::ranges::copy(small, pages.of_a->payload(0, 1).begin());
      std::ranges::copy(large, pages.of_a->data(0).begin());
      pages.of_a->publish(1, round);
      ASSERT_TRUE(t.drive_until([&] { return pages.of_b->read(0, 1) >= round; }));
      ASSERT_TRUE(std::ranges::equal(pages.of_b->payload(0, 1), small));
      ASSERT_TRUE(std::ranges::equal(pages.of_b->data(0), large));
    }
  });
}

TEST_P(Conformance, WhatWasPublishedBeforeAttachingIsSeen) {
  NEED_PAGES();
  each_unconnected([](Table& t) {
    Side &a = t.pair->a, &b = t.pair->b;
    auto of_a = shared(a, {0, 2, 8, 5000}), of_b = shared(b, {1, 2, 8, 5000});
    EXPECT_TRUE(a.engine->reach(b.info).ok() && b.engine->reach(a.info).ok());
    of_a->publish(5, 42);
    ASSERT_TRUE(of_b->attach(0, a.info, of_a->offer()).ok());
    EXPECT_TRUE(t.drive_until([&] { return of_b->read(0, 5) == 42; }));
  });
}

TEST_P(Conformance, PagesOutliveTheirOwner) {
  NEED_PAGES();
  each_unconnected([](Table& t) {
    Pages pages(t);
    ASSERT_TRUE(pages.attached());
    const auto bytes = pattern(5000, 4);
    std::ranges::copy(bytes, pages.of_a->data(0).begin());
    pages.of_a->publish(0, 1);
    ASSERT_TRUE(t.drive_until([&] { return pages.of_b->read(0, 0) == 1; }));
    pages.of_a.reset();
    t.drive(10);
    EXPECT_TRUE(std::ranges::equal(pages.of_b->data(0), bytes));
    EXPECT_EQ(pages.of_b->read(0, 0), 1u);
  });
}

TEST_P(Conformance, AStrangeOfferIsRefused) {
  NEED_PAGES();
  each_unconnected([](Table& t) {
    Side &a = t.pair->a, &b = t.pair->b;
    auto mine = shared(a, {0, 2, 8, 5000});
    auto other = shared(b, {1, 2, 16, 5000});
    for (const std::string& offer :
         {std::string(), std::string("nonsense"), std::string(300, '\xff'), other->offer()}) {
      const Status refused = mine->attach(1, b.info, offer);
      EXPECT_FALSE(refused.ok());
      EXPECT_FALSE(refused.what().empty());
    }
  });
}

TEST_P(Conformance, PrivateMemoryIsReadInOneCopy) {
  NEED_PAGES();
  each_unconnected([](Table& t) {
    Pages pages(t);
    ASSERT_TRUE(pages.attached());
    if (!pages.of_b->can_read_private()) return;
    const auto secret = pattern(100'000, 6);
    std::vector<std::byte> here(secret.size());
    ASSERT_TRUE(pages.of_b->read_private(0, reinterpret_cast<uintptr_t>(secret.data()), here).ok());
    EXPECT_EQ(here, secret);
  });
}

// ---- tensors that peers have mapped ----

bool is_mapped(Side& side, SharedPages& pages, std::span<const std::byte> mine) {
  return side.executor->with_token([&] { return pages.is_mapped(mine); });
}

struct Block {  // of a side's heap
  Block(Side& side, size_t bytes) : heap(*side.heap) { EXPECT_TRUE(heap.allocate(bytes, &memory).ok()); }
  ~Block() { heap.free(memory); }
  uint64_t address() const { return reinterpret_cast<uintptr_t>(memory.data()); }
  SharedHeap& heap;
  std::span<std::byte> memory;
};

#define NEED_HEAP() \
  if (!GetParam().make(1)->a.heap) GTEST_SKIP() << GetParam().name << " maps no heap"

TEST_P(Conformance, MappedMemoryIsSeenWhereItLies) {
  NEED_HEAP();
  each_unconnected([](Table& t) {
    Pages pages(t);
    ASSERT_TRUE(pages.attached());
    Side& a = t.pair->a;
    const Block block(a, 100'000);
    EXPECT_FALSE(is_mapped(a, *pages.of_a, block.memory)) << "nobody has been told of it yet";
    EXPECT_FALSE(is_mapped(t.pair->b, *pages.of_b, {})) << "B has none, but looks at A's";
    const Block of_b(t.pair->b, 1);
    is_mapped(t.pair->b, *pages.of_b, of_b.memory);
    EXPECT_TRUE(is_mapped(a, *pages.of_a, block.memory));
    const std::byte* seen = nullptr;
    ASSERT_TRUE(pages.of_b->mapped(0, block.address(), block.memory.size(), &seen).ok());
    const auto bytes = pattern(block.memory.size(), 3);
    std::ranges::copy(bytes, block.memory.begin());
    EXPECT_TRUE(std::ranges::equal(std::span(seen, bytes.size()), bytes));
    std::vector<std::byte> copied(bytes.size());
    ASSERT_TRUE(pages.of_b->read_private(0, block.address(), copied).ok())
        << "whether or not that is allowed";
    EXPECT_EQ(copied, bytes);
  });
}

TEST_P(Conformance, PrivateMemoryIsNotMapped) {
  NEED_HEAP();
  each_unconnected([](Table& t) {
    Pages pages(t);
    ASSERT_TRUE(pages.attached());
    const auto bytes = pattern(100, 3);
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(is_mapped(t.pair->a, *pages.of_a, bytes));
  });
}

TEST_P(Conformance, NothingBesideMappedMemoryIsSeen) {
  NEED_HEAP();
  each_unconnected([](Table& t) {
    Pages pages(t);
    ASSERT_TRUE(pages.attached());
    const Block block(t.pair->a, 4096), of_b(t.pair->b, 1);
    const std::byte* seen = nullptr;
    EXPECT_FALSE(pages.of_b->mapped(0, block.address(), 1, &seen).ok()) << "not told yet";
    is_mapped(t.pair->a, *pages.of_a, block.memory);
    is_mapped(t.pair->b, *pages.of_b, of_b.memory);
    EXPECT_TRUE(pages.of_b->mapped(0, block.address(), 4096, &seen).ok());
    const auto arena = t.pair->a.heap->arena(0).mapping();
    const uint64_t begin = reinterpret_cast<uintptr_t>(arena.data()), end = begin + arena.size();
    EXPECT_TRUE(pages.of_b->mapped(0, end - 8, 8, &seen).ok());
    for (const auto& [address, bytes] : {std::pair<uint64_t, size_t>{end - 8, 9},
                                         {end, 1},
                                         {begin - 1, 1},
                                         {0, 1},
                                         {begin, SIZE_MAX},
                                         {end - 8, SIZE_MAX - 4}}) {
      EXPECT_EQ(pages.of_b->mapped(0, address, bytes, &seen).code(), Code::kInvalid);
    }
  });
}

// ---- the bell ----

class WaitForWord final : public Operation {
 public:
  WaitForWord(const SharedPages& pages, uint64_t value)
      : Operation(nullptr, Order::kFree, kNever), pages_(pages), value_(value) {}
  Task<> body() override { return wait(&pages_, value_); }
  static Task<> wait(const SharedPages* pages, uint64_t value) {
    co_await until([pages, value] { return pages->read(0, 0) >= value; });
  }
  std::string describe() const override { return "wait for word " + std::to_string(value_); }

 private:
  const SharedPages& pages_;
  uint64_t value_;
};

TEST_P(Conformance, TheBellWakesASleeper) {
  NEED_PAGES();
  if (!GetParam().threads && !excepted()) GTEST_SKIP() << GetParam().name << " does not sleep";
  each([](Table& t) {  // connected: the bell may come with the connection
    ASSERT_TRUE(t.settled());
    Pages pages(t);
    ASSERT_TRUE(pages.attached());
    constexpr int kRounds = 10;
    int late = 0;
    for (uint64_t round = 1; round <= kRounds; ++round) {
      std::atomic<bool> woken{false};
      std::thread sleeper([&] {
        WaitForWord wait(*pages.of_b, round);
        t.pair->b.executor->run(wait, kNever);
        woken = true;
      });
      std::this_thread::sleep_for(std::chrono::milliseconds(5));  // by now it sleeps, for up to 50 ms
      const auto start = std::chrono::steady_clock::now();
      t.pair->a.executor->with_token([&] { pages.of_a->publish(0, round); });
      while (!woken) {
        t.pair->a.executor->poll_once();
        std::this_thread::yield();
      }
      late += std::chrono::steady_clock::now() - start > std::chrono::milliseconds(15);
      sleeper.join();
    }
    EXPECT_LE(late, kRounds / 2) << "a sleeper looks by itself every 50 ms; a bell is faster";
  });
}

}  // namespace
}  // namespace dlslime::conformance
