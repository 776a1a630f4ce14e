#include "torch_ext/config.h"

#include <net/if.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string_view>

#include "base/log.h"
#include "torch_ext/engines.h"

namespace dlslime {
namespace {

[[noreturn]] void refuse(std::string_view name, std::string_view value, const std::string& allowed) {
  throw std::invalid_argument(std::string(name) + "=" + std::string(value) + ": must be " + allowed);
}

std::string joined(const auto& items, const char* with = ",") {
  std::string text;
  for (std::string_view item : items) text += std::string(text.empty() ? "" : with) + std::string(item);
  return text;
}

void check_engines(std::string_view name, const std::vector<std::string>& engines) {
  const auto& known = known_engines();
  for (const std::string& engine : engines) {
    if (std::ranges::find(known, engine) == known.end()) {
      refuse(name, joined(engines), "a comma-separated list out of " + joined(known));
    }
  }
  if (engines.empty()) refuse(name, "", "a comma-separated list out of " + joined(known));
}

void check_interface(std::string_view name, const std::string& interface) {
  if (interface.empty() || if_nametoindex(interface.c_str())) return;
  const std::unique_ptr<struct if_nameindex, void (*)(struct if_nameindex*)> all(if_nameindex(),
                                                                                 if_freenameindex);
  std::vector<std::string_view> known;
  for (const auto* one = all.get(); one && one->if_name; ++one) known.emplace_back(one->if_name);
  refuse(name, interface, "a network interface of this host: " + joined(known, ", "));
}

std::string_view trimmed(std::string_view text) {
  const auto first = std::min(text.find_first_not_of(' '), text.size());
  return text.substr(first, text.find_last_not_of(' ') + 1 - first);
}

std::vector<std::string> list(std::string_view text) {
  std::vector<std::string> items;
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    items.emplace_back(trimmed(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return items;
}

struct Range {
  int64_t least, most;
  const char* or_else = "";
  void check(std::string_view name, std::string_view text, int64_t value) const {
    if (value >= least && value <= most) return;
    refuse(name, text,
           or_else + std::string("a whole number from ") + std::to_string(least) + " to " +
               std::to_string(most));
  }
  int64_t parse(std::string_view name, std::string_view text) const {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = error == std::errc() && end == text.data() + text.size() && !text.empty();
    check(name, text, whole ? value : least - 1);
    return value;
  }
};
constexpr Range kMicroseconds{0, 1'000'000}, kSpin{0, 1'000'000, "auto, or "}, kConnect{1, 3'600'000},
    kThreads{0, 1};

// The table. A row parses its own variable; what it does not set stays at the default.
struct Row {
  const char* option;  // empty: it has none, being the process's and in force before there is a group
  const char* variable;
  const char* fallback;
  const char* meaning;
  void (*parse)(Settings&, std::string_view name, std::string_view text);
};

constexpr std::array kRows{
    Row{"engines", "DLSLIME_ENGINES", "", "engines allowed, the most preferred first",
        [](Settings& s, std::string_view n, std::string_view v) { check_engines(n, s.engines = list(v)); }},
    Row{"interface", "DLSLIME_INTERFACE", "",
        "network interface to be reached by; empty: the one towards the store's host",
        [](Settings& s, std::string_view n, std::string_view v) { check_interface(n, s.interface = v); }},
    Row{"host_id", "DLSLIME_HOST_ID", "", "separates hosts: ranks with different ids do not share memory",
        [](Settings& s, std::string_view, std::string_view v) { s.host_id = v; }},
    Row{"spin_us", "DLSLIME_SPIN_US", "auto",
        "microseconds to wait spinning; auto: 2, or 0 with more local ranks than CPUs",
        [](Settings& s, std::string_view n, std::string_view v) {
          if (v == "auto")
            s.spin_us.reset();
          else
            s.spin_us = kSpin.parse(n, v);
        }},
    Row{"yield_us", "DLSLIME_YIELD_US", "200", "microseconds to wait yielding the CPU, before sleeping",
        [](Settings& s, std::string_view n, std::string_view v) { s.yield_us = kMicroseconds.parse(n, v); }},
    Row{"connect_timeout", "DLSLIME_CONNECT_TIMEOUT", "10000",
        "milliseconds to go on trying to reach a peer that refuses",
        [](Settings& s, std::string_view n, std::string_view v) {
          s.connect_timeout = std::chrono::milliseconds(kConnect.parse(n, v));
        }},
    Row{"threads", "DLSLIME_THREADS", "1",
        "threads that make progress beside the callers; 0: none until somebody waits for a future or polls",
        [](Settings& s, std::string_view n, std::string_view v) { s.threads = kThreads.parse(n, v); }},
    Row{"plan", "DLSLIME_PLAN", "", "file that says which algorithm runs for which size; empty: built in",
        [](Settings& s, std::string_view n, std::string_view v) { s.read_plan(n, std::string(v)); }},
    // The logger reads it by itself, at the first message: whatever goes wrong before this table is read is logged too.
    Row{"", "DLSLIME_LOG", kDefaultLogLevel.data(), "least level of messages on stderr",
        [](Settings&, std::string_view n, std::string_view v) {
          if (!is_log_level(v)) refuse(n, v, "one of " + joined(kLogLevels, ", "));
        }},
};

std::string contents_of(const std::string& path, std::string_view name) {
  std::error_code error;
  std::ifstream file;
  if (std::filesystem::is_regular_file(path, error)) file.open(path, std::ios::binary);
  if (!file.is_open()) refuse(name, path, "a file with a plan: it can't be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

void warn_of_unknown_variables() {
  constexpr std::array<std::string_view, 3> foreign{"DLSLIME_TEST_", "DLSLIME_SIM_", "DLSLIME_GATE_"};
  for (char** entry = environ; entry && *entry; ++entry) {
    const std::string_view line(*entry);
    if (!line.starts_with("DLSLIME_")) continue;
    const std::string_view name = line.substr(0, line.find('='));
    const bool ours = std::ranges::any_of(kRows, [&](const Row& row) { return name == row.variable; });
    const bool theirs =
        std::ranges::any_of(foreign, [&](std::string_view prefix) { return name.starts_with(prefix); });
    if (!ours && !theirs) log_warning_once("no setting is called " + std::string(name) + "; it is ignored");
  }
}

}  // namespace

void Settings::read_plan(std::string_view name, const std::string& path) {
  Plan read;
  if (!path.empty()) {
    if (const Status status = Plan::parse(contents_of(path, name), &read); !status.ok())
      refuse(name, path, "a file with a plan: " + status.what());
    read.origin = path;
  }
  plan_file = path;
  plan = std::move(read);
}

Settings Settings::from_environment() {
  warn_of_unknown_variables();
  Settings settings;
  settings.engines = known_engines();
  for (const Row& row : kRows) {
    const char* value = std::getenv(row.variable);
    if (value && *value) row.parse(settings, row.variable, value);
  }
  return settings;
}

void Settings::check() const {
  check_engines("engines", engines);
  check_interface("interface", interface);
  if (spin_us) kMicroseconds.check("spin_us", std::to_string(*spin_us), *spin_us);
  kMicroseconds.check("yield_us", std::to_string(yield_us), yield_us);
  kConnect.check("connect_timeout", std::to_string(connect_timeout.count()) + " ms", connect_timeout.count());
  kThreads.check("threads", std::to_string(threads), threads);
}

std::vector<Knob> knobs() {
  std::vector<Knob> all;
  for (const Row& row : kRows) {
    const bool engines = std::string_view(row.option) == "engines";
    all.emplace_back(row.option, row.variable, engines ? joined(known_engines()) : row.fallback, row.meaning);
  }
  return all;
}

}  // namespace dlslime
