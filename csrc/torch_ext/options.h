// DlslimeOptions: pg_options. The environment's settings, unless the caller sets others.
//
// Threads: a value.   Errors: the constructor throws for a bad variable; what the caller sets is checked when
// a group is made.
#pragma once
#include <torch/version.h>

#include <torch/csrc/distributed/c10d/Backend.hpp>

#include "torch_ext/config.h"

#define DLSLIME_TORCH_AT_LEAST(major, minor) \
  (TORCH_VERSION_MAJOR > (major) || (TORCH_VERSION_MAJOR == (major) && TORCH_VERSION_MINOR >= (minor)))

namespace dlslime {

inline constexpr const char* kBackendName = "dlslime";

struct DlslimeOptions final : c10d::Backend::Options {
  DlslimeOptions() : Options(kBackendName), settings(Settings::from_environment()) {}
  DlslimeOptions(const DlslimeOptions&) = default;
#if DLSLIME_TORCH_AT_LEAST(2, 15)
  c10::intrusive_ptr<Options> clone() const override { return c10::make_intrusive<DlslimeOptions>(*this); }
#endif
  Settings settings;
};

}  // namespace dlslime
