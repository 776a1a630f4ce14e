// PagesAlone: "shared" pages of a rank that shares memory with nobody, so that a host of one rank needs no code of its own.
//
// Threads, ownership, errors, units: as SharedPages; attach(), mapped() and read_private() always succeed.
// Invariants: nobody else reads them; its slots are never written, so that they take no memory.
#pragma once
#include <cstdlib>

#include "engine/shared_pages.h"

namespace dlslime {

class PagesAlone final : public SharedPages {
 public:
  PagesAlone(size_t lines, size_t data_bytes)
      : SharedPages({0, 1, lines, data_bytes}), memory_(std::aligned_alloc(alignof(Line), bytes())) {
    if (!memory_) throw std::bad_alloc();
    Line* const first = static_cast<Line*>(memory_.get());
    for (size_t i = 0; i < lines; ++i) new (first + i) Line{};
    words_[0] = lines_[0] = first;
    data_[0] = reinterpret_cast<std::byte*>(first + lines);
  }

  std::string offer() const override { return {}; }
  Status attach(int, const PeerInfo&, std::string_view) override { return {}; }
  void publish(size_t line, uint64_t value) override {
    words_[0][line].word.store(value, std::memory_order_release);
  }
  size_t give_back(size_t) override { return layout_.data_bytes; }
  bool is_mapped(std::span<const std::byte>) override { return false; }
  Status mapped(int, uint64_t address, size_t, const std::byte** at) const override {
    *at = reinterpret_cast<const std::byte*>(address);
    return {};
  }
  bool can_read_private() const override { return true; }
  Status read_private(int, uint64_t address, std::span<std::byte> into) const override {
    std::memcpy(into.data(), reinterpret_cast<const std::byte*>(address), into.size());
    return {};
  }

 private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  size_t bytes() const {
    return (layout_.lines * sizeof(Line) + layout_.data_bytes + sizeof(Line) - 1) / sizeof(Line) *
           sizeof(Line);
  }
  std::unique_ptr<void, Free> memory_;
};

}  // namespace dlslime
