// Broadcast: down a binomial tree of the hosts, one rank receiving for all of its host; chunk by chunk, so that a host passes on what
// it has while more comes in. With `shards` the chunks are cut into a shard per column, and each column is a tree of its own.
// Cost: 2a + S c inside + ceil(log2 H) (m + S/L b), pipelined. With `tree` the vector is one chunk and one column: ... (m + S b).
// Through slots the root waits for none of its host until it is kSlots steps ahead; where they pull, for all of them at the end.
#include <array>

#include "collective/hierarchy/between.h"
#include "collective/hierarchy/streams.h"

namespace dlslime::hierarchy {
namespace {

class Tree {
 public:
  Tree(Hierarchy& all, const Call& call, Bytes data)
      : all_(all),
        hosts_(all.hosts),
        root_(call.root),
        data_(data),
        row_(all.group.plan().row(call.kind, Way::kHosts, data.size())),
        size_(row_.chunk ? row_.chunk : std::max<size_t>(1, data.size())),
        columns_(row_.algorithm == Algorithm::kTree ? 1 : hosts_.columns()),
        up_{wire::Exchange{all.group, call}, wire::Exchange{all.group, call}},
        down_{wire::Exchange{all.group, call}, wire::Exchange{all.group, call}} {
    for (int host = 0; host < hosts_.count(); ++host) {
      for (int rank : hosts_.ranks[size_t(host)])
        if (rank == root_) root_host_ = host;
    }
    const int n = hosts_.count(), me = (hosts_.mine - root_host_ + n) % n;
    int mask = 1;
    while (mask < n && !(me & mask)) mask *= 2;
    if (me) parent_ = (me - mask + root_host_) % n;
    for (mask /= 2; mask > 0; mask /= 2) {
      if (me + mask < n) children_.push_back((me + mask + root_host_) % n);
    }
  }

  size_t chunks() const { return std::max<size_t>(1, steps_for(data_.size(), size_)); }
  bool at_root_host() const { return parent_ < 0; }
  // Whose slots the others of this host read: all ranks', or this place's.
  int giver() const {
    const auto& here = hosts_.here();
    if (at_root_host()) return int(std::ranges::find(here, root_) - here.begin());
    return columns_ == 1 ? 0 : local::kEverybody;
  }

  void receive(size_t i) {
    if (at_root_host()) return;
    for_my_columns([&](int column) { up_[i % 2].receive(server(parent_, column), block(i, column)); });
  }
  auto received(size_t i) { return up_[i % 2].all(); }
  auto sent(size_t i) { return down_[i % 2].all(); }
  void send(size_t i) {
    for_my_columns([&](int column) {
      for (int child : children_) down_[i % 2].send(server(child, column), block(i, column));
    });
  }
  Task<> spread(size_t i) {
    const Bytes chunk = part(data_, i, size_);
    if (giver() >= 0) {
      co_await give(all_, giver(), chunk);
      co_return;
    }
    Streams<Bytes> streams(all_.local.size());
    for (int column = 0; column < columns_; ++column)
      streams.add(column % all_.local.size(), shard(chunk, columns_, column));
    co_await share(all_, streams);
  }

 private:
  int server(int host, int column) const {
    return host == root_host_ && columns_ == 1 ? root_ : hosts_.at(host, column);
  }
  template <class Do>
  void for_my_columns(Do act) {
    for (int column = 0; column < columns_; ++column) {
      if (server(hosts_.mine, column) == all_.group.rank()) act(column);
    }
  }
  Bytes block(size_t i, int column) const { return shard(part(data_, i, size_), columns_, column); }

  Hierarchy& all_;
  const Hosts& hosts_;
  const int root_;
  const Bytes data_;
  const Plan::Row row_;
  const size_t size_;
  const int columns_;
  int root_host_ = 0, parent_ = -1;
  std::vector<int> children_;
  std::array<wire::Exchange, 2> up_, down_;
};

// Compares the calls of those whose slots this rank will read.
Task<> enter(LocalGroup& local, const Call& call, int giver) {
  co_await local.line_free(call.sequence);
  local.post(call);
  if (giver == local.rank()) co_return;
  if (giver < 0) {
    co_await local.arrived(call.sequence);
    local.verify(call);
  } else {
    co_await local.arrived_one(giver, call.sequence);
    local.verify_one(call, giver);
  }
}

}  // namespace

Task<> broadcast(Hierarchy& all, Call call, Bytes data) {
  Tree tree(all, call, data);
  const bool root = all.group.rank() == call.root;
  tree.receive(0);
  if (root) tree.send(0);
  co_await enter(all.local, call, tree.giver());
  for (size_t i = 0; i < tree.chunks(); ++i) {
    if (i + 1 < tree.chunks()) tree.receive(i + 1);
    co_await tree.received(i);
    if (!tree.at_root_host() || (root && i > 0)) tree.send(i);
    co_await tree.spread(i);
    if (tree.at_root_host() && !root) tree.send(i);  // what it has just been given
    if (i > 0) co_await tree.sent(i - 1);
  }
  co_await tree.sent(tree.chunks() - 1);
  co_await settle(all);
}

}  // namespace dlslime::hierarchy
