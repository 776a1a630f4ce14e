// Groups made out of this one.
#include <algorithm>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>

#include "torch_ext/backend.h"

namespace dlslime {

namespace {
// A flag of shrink's: the peers left out may be dead, what is pending must not be waited for.
constexpr int kAbortFirst = 1;
}  // namespace

DlslimeBackend::BackendPtr DlslimeBackend::derive(const StorePtr& store, int rank, int size,
                                                  const OptionsPtr& opts, std::vector<uint64_t> global_ranks,
                                                  StorePtr world) {
  check_usable();
  const auto* given = dynamic_cast<const DlslimeOptions*>(opts.get());
  const auto current = getBackendOptions();
  DlslimeOptions options = given ? *given : static_cast<const DlslimeOptions&>(*current);
  if (opts && !given) {
    options.timeout = opts->timeout;
    options.group_name = opts->group_name;
  }
  options.global_ranks_in_group = std::move(global_ranks);
  return create(store, rank, size, std::move(options), std::move(world));
}

DlslimeBackend::BackendPtr DlslimeBackend::split(const StorePtr& store, const std::vector<int>& ranks,
                                                 const OptionsPtr& opts) {
  return take(store, ranks, opts, world_);
}

// The members of the new group come, in this order; who is none gets nothing.
DlslimeBackend::BackendPtr DlslimeBackend::take(const StorePtr& store, const std::vector<int>& ranks,
                                                const OptionsPtr& opts, StorePtr world) {
  std::vector<uint64_t> global;
  const auto mine = getBackendOptions();
  for (const int rank : ranks) {
    TORCH_CHECK_VALUE(rank >= 0 && rank < size_, "dlslime: split: ", rank, " is not a rank of the group of ",
                      size_);
    TORCH_CHECK_VALUE(std::count(ranks.begin(), ranks.end(), rank) == 1, "dlslime: split: rank ", rank,
                      " is named twice");
    const auto& all = mine->global_ranks_in_group;
    global.push_back(size_t(rank) < all.size() ? all[size_t(rank)] : uint64_t(rank));
  }
  const auto found = std::find(ranks.begin(), ranks.end(), rank_);
  if (found == ranks.end()) return nullptr;
  return derive(store, int(found - ranks.begin()), int(ranks.size()), opts, std::move(global),
                std::move(world));
}

DlslimeBackend::BackendPtr DlslimeBackend::merge(const StorePtr& store, const OptionsPtr& opts,
                                                 const int& rank, const int& size) {
  return derive(store, rank, size, opts, opts ? opts->global_ranks_in_group : std::vector<uint64_t>{},
                nullptr);
}

DlslimeBackend::BackendPtr DlslimeBackend::shrink(const std::vector<int64_t>& excluded, int flags,
                                                  const OptionsPtr& opts) {
  std::vector<int> ranks;
  for (const int64_t rank : excluded) {
    TORCH_CHECK_VALUE(rank >= 0 && rank < size_, "dlslime: shrink: ", rank, " is not a rank of the group of ",
                      size_);
  }
  for (int rank = 0; rank < size_; ++rank) {
    if (std::find(excluded.begin(), excluded.end(), rank) == excluded.end()) ranks.push_back(rank);
  }
  TORCH_CHECK_VALUE(!ranks.empty(), "dlslime: shrink: all ", size_, " ranks are excluded");
  TORCH_CHECK_VALUE(std::find(ranks.begin(), ranks.end(), rank_) != ranks.end(), "dlslime: shrink: rank ",
                    rank_, " is excluded and must not call it");
  if (flags & kAbortFirst) abort();
  const std::string prefix = "dlslime/shrink/" + std::to_string(++shrunk_);
  // torch gives the global ranks new numbers afterwards: what this world's groups know means others then.
  return take(c10::make_intrusive<c10d::PrefixStore>(prefix, store_->clone()), ranks, opts, nullptr);
}

}  // namespace dlslime
