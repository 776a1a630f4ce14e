// Precompiled for torch_ext/: parsing torch costs each file some twenty seconds, this pays it once.
#pragma once

#include <torch/csrc/utils/pybind.h>

#include <torch/csrc/distributed/c10d/Backend.hpp>
