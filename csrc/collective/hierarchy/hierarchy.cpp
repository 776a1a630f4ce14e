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

}  // namespace dlslime
