// GroupOperation: a call of a group, given as a lambda, as an operation.
//
// Threads: as Operation.   Ownership: the lambda lives as long as the operation, so it may capture.
#pragma once
#include <cstddef>
#include <functional>
#include <string>
#include <utility>

#include "base/executor.h"
#include "collective/group.h"

namespace dlslime {

using GroupCall = std::function<Task<>(Group&)>;

class GroupOperation final : public Operation {
 public:
  GroupOperation(Group& group, Order order, Nanos patience, GroupCall call, std::string name)
      : Operation(&group, order, deadline_after(group.executor().clock(), patience)),
        group_(group),
        call_(std::move(call)),
        name_(std::move(name)) {}
  // Of no group's: it may run while the group comes to its end.
  GroupOperation(std::nullptr_t, Group& group, Nanos patience, GroupCall call, std::string name)
      : Operation(nullptr, Order::kFree, deadline_after(group.executor().clock(), patience)),
        group_(group),
        call_(std::move(call)),
        name_(std::move(name)) {}
  Task<> body() override { return call_(group_); }
  std::string describe() const override { return name_; }

 private:
  Group& group_;
  const GroupCall call_;
  const std::string name_;
};

}  // namespace dlslime
