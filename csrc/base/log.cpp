#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <set>

namespace dlslime {
namespace {

// Leaked: threads may log while the process exits.
spdlog::logger& logger() {
  static spdlog::logger* const instance = [] {
    auto* made = new spdlog::logger("dlslime", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    // A name that is none would be "off" to spdlog: the complaint about it must be heard.
    const char* asked = std::getenv("DLSLIME_LOG");
    const std::string_view level = asked && is_log_level(asked) ? asked : kDefaultLogLevel;
    made->set_level(spdlog::level::from_str(std::string(level)));
    made->set_pattern("[%H:%M:%S.%e %P dlslime %l] %v");
    return made;
  }();
  return *instance;
}

}  // namespace

bool is_log_level(std::string_view name) { return std::ranges::find(kLogLevels, name) != kLogLevels.end(); }

void log_error(const std::string& text) { logger().error("{}", text); }
void log_warning(const std::string& text) { logger().warn("{}", text); }
void log_info(const std::string& text) { logger().info("{}", text); }
void log_debug(const std::string& text) { logger().debug("{}", text); }
bool logs_debug() { return logger().should_log(spdlog::level::debug); }

void log_warning_once(const std::string& key, const std::string& text) {
  static std::mutex mutex;
  static auto* const said = new std::set<std::string>;
  {
    const std::lock_guard lock(mutex);
    if (!said->insert(key).second) return;
  }
  log_warning(text);
}

}  // namespace dlslime
