// Rendezvous: how the ranks of a group find each other through the store they were given.
//
//   keys, under dlslime/   by each rank                  read by
//   hello/RANK             who it is                     all
//   offers/RANK            how each peer may connect     all
//
//   Before anybody returns, everybody has attached (a handshake over the new group), has deleted its keys,
//   and knows that of the others (a second one): whoever uses the same store again finds nothing stale.
//
// Threads:    any, without the GIL; blocks in the store, never under the token.
// Ownership:  gives the group to the caller.
// Errors:     DistBackendError / DistNetworkError naming the ranks that have not come; an interrupt is thrown as it is.
// Units:      milliseconds.
#pragma once
#include <chrono>
#include <memory>
#include <string>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "torch_ext/config.h"
#include "torch_ext/member.h"

namespace dlslime {

using StorePtr = c10::intrusive_ptr<c10d::Store>;

// What groups of one torch world have in common: the innermost prefix of their stores, or the store where there is none.
StorePtr world_of(const StorePtr& store);

struct Invitation {
  StorePtr store;
  StorePtr world;  // a group made over the same one that has lost a rank knows that it will not come
  std::string name;
  int rank = 0;
  int size = 1;
  GlobalRanks global_ranks;
  std::chrono::milliseconds timeout{0};
  Settings settings;
};

std::shared_ptr<Member> rendezvous(const Invitation& invitation);

}  // namespace dlslime
