// Config: every setting there is, in one table: option, environment variable, default, meaning.
//
// Threads:    from_environment() reads the environment: call it where no other thread writes it.
// Ownership:  values.
// Errors:     std::invalid_argument naming the variable (or option), the value and what is allowed.
// Units:      as the names say: _us microseconds, connect_timeout milliseconds.
// Invariants: an option given by the caller wins over the environment, which wins over the default.
#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "collective/plan.h"

namespace dlslime {

struct Settings {
  std::vector<std::string> engines;  // allowed, the most preferred first
  std::string interface;             // empty: the one that leads to the store's host
  std::string host_id;               // hosts with different ids are treated as different ones
  std::optional<int64_t> spin_us;    // none: 2 where every local rank has a CPU, else 0
  int64_t yield_us = 200;
  std::chrono::milliseconds connect_timeout{10'000};
  int64_t threads = 1;
  std::string plan_file;  // empty: the built-in plan
  Plan plan;              // what it said when it was read

  // Reads the file, now and not later; `name`: the setting, for the error.
  void read_plan(std::string_view name, const std::string& path);

  static Settings from_environment();
  void check() const;  // of what the caller set
};

// option, variable, default, meaning
using Knob = std::tuple<std::string, std::string, std::string, std::string>;
std::vector<Knob> knobs();

}  // namespace dlslime
