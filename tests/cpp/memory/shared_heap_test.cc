// Blocks that other processes can map: where they lie, that they come back, and that what is free takes no memory.
#include "memory/shared_heap.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <vector>

namespace dlslime {
namespace {

using Block = std::span<std::byte>;

Block allocated(SharedHeap& heap, size_t bytes) {
  Block block;
  const Status status = heap.allocate(bytes, &block);
  EXPECT_TRUE(status.ok()) << status.to_string();
  return block;
}

// Pages of an arena that are in memory.
size_t resident(const SharedHeap& heap) {
  size_t count = 0;
  for (size_t i = 0; i < heap.arenas(); ++i) {
    const auto all = heap.arena(i).mapping();
    std::vector<unsigned char> pages((all.size() + 4095) / 4096);
    EXPECT_EQ(mincore(all.data(), all.size(), pages.data()), 0);
    count += size_t(std::ranges::count_if(pages, [](unsigned char page) { return page & 1; }));
  }
  return count;
}

TEST(SharedHeap, TakesNothingBeforeItIsUsed) {
  const SharedHeap heap;
  EXPECT_EQ(heap.arenas(), 0u);
  EXPECT_EQ(heap.arena_of({}), 0u);
}

TEST(SharedHeap, BlocksAreApartAndComeBack) {
  SharedHeap heap;
  std::mt19937_64 random(1);
  std::vector<Block> blocks;
  for (int turn = 0; turn < 2000; ++turn) {
    if (blocks.size() > 20 || (turn % 3 == 0 && !blocks.empty())) {
      std::swap(blocks[random() % blocks.size()], blocks.back());
      const Block gone = blocks.back();
      EXPECT_TRUE(std::ranges::all_of(std::vector{gone.front(), gone.back()}, [&](std::byte b) {
        return b == std::byte(gone.size());
      })) << "somebody else wrote there";
      heap.free(gone);
      blocks.pop_back();
    }
    const Block block = allocated(heap, 1 + random() % 500'000);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block.data()) % 4096, 0u);
    EXPECT_EQ(block.front() | block.back(), std::byte{0}) << "a new block is not zeroed";
    block.front() = block.back() = std::byte(block.size());
    blocks.push_back(block);
  }
  EXPECT_EQ(heap.arenas(), 1u) << "holes are not used again";
  for (const Block block : blocks) heap.free(block);
  const Block all = allocated(heap, SharedHeap::kSmallestArena - 4096);
  EXPECT_EQ(heap.arenas(), 1u) << "what was freed is not one piece";
  EXPECT_EQ(heap.arena_of(all), 0u);
}

TEST(SharedHeap, WhatIsFreeTakesNoMemory) {
  SharedHeap heap;
  const Block kept = allocated(heap, 4096), block = allocated(heap, 16 << 20);
  std::ranges::fill(kept, std::byte{1});
  std::ranges::fill(block, std::byte{1});
  EXPECT_GE(resident(heap), size_t(16 << 20) / 4096);
  heap.free(block);
  EXPECT_LE(resident(heap), 2u);
  EXPECT_EQ(kept.back(), std::byte{1});
}

TEST(SharedHeap, GrowsByLargerArenas) {
  SharedHeap heap;
  const Block first = allocated(heap, 1);
  const Block large = allocated(heap, SharedHeap::kSmallestArena), larger = allocated(heap, size_t(3) << 30);
  EXPECT_EQ(heap.arena_of(first), 0u);
  EXPECT_EQ(heap.arena_of(large), 1u);
  EXPECT_EQ(heap.arena_of(larger), 2u);
  large.back() = larger.back() = std::byte{1};
  EXPECT_EQ(heap.arena(1).mapping().size(), 2 * heap.arena(0).mapping().size());
  std::byte elsewhere{};
  EXPECT_EQ(heap.arena_of({&elsewhere, 1}), heap.arenas());
  EXPECT_EQ(heap.arena_of({first.data(), SharedHeap::kSmallestArena}), heap.arenas()) << "it ends outside";
}

TEST(SharedHeap, ARefusalSaysWhy) {
  SharedHeap heap;
  Block block;
  for (const size_t less :
       {0, 4095, 4096, 8191, 8192}) {  // in pages, with the nonce's, it may come to nothing
    EXPECT_FALSE(heap.allocate(SIZE_MAX - less, &block).ok()) << less;
  }
  const Status refused = heap.allocate(size_t(1) << 60, &block);
  EXPECT_EQ(refused.code(), Code::kUnavailable);
  EXPECT_NE(refused.what().find("shared bytes"), std::string::npos) << refused.what();
  EXPECT_EQ(heap.arenas(), 0u);
  allocated(heap, 1)[0] = std::byte{1};
}

// Parent and child see the same memory: what the child does not need any more, the parent may.
TEST(SharedHeap, AForkedChildFreesNothing) {
  SharedHeap heap;
  const Block block = allocated(heap, 1 << 20);
  std::ranges::fill(block, std::byte{7});
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    heap.free(block);
    _exit(heap.is_this_process());
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(heap.is_this_process());
  EXPECT_TRUE(std::ranges::all_of(block, [](std::byte b) { return b == std::byte{7}; }));
}

}  // namespace
}  // namespace dlslime
