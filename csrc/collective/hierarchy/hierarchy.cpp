#include "collective/hierarchy/hierarchy.h"

#include "collective/hierarchy/pages_alone.h"

namespace dlslime {
namespace {

std::unique_ptr<SharedPages> or_alone(std::unique_ptr<SharedPages> pages) {
  if (pages) return pages;
  return std::make_unique<PagesAlone>(LocalGroup::kLines, LocalGroup::data_bytes(1));
}

}  // namespace

Hierarchy::Hierarchy(Group& g, Hosts shape, std::unique_ptr<SharedPages> pages)
    : group(g),
      hosts(std::move(shape)),
      pages_(or_alone(std::move(pages))),
      local(g, *pages_, hosts.here()) {}

Status Hierarchy::read(int place, uint64_t address, Bytes into) const {
  if (into.empty()) return {};
  const int rank = local.group_rank(place);
  Status status = local.read_private(place, address, into);
  if (status.ok()) return status;
  return std::move(status).during("reading the buffer of rank " + std::to_string(rank)).at_peer(rank);
}

}  // namespace dlslime
