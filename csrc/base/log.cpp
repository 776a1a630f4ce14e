#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <mutex>
#include <set>

namespace dlslime {
namespace {

// Leaked: threads may log while the process exits.
spdlog::logger& logger() {
  static spdlog::logger* const instance = [] {
    auto* made = new spdlog::logger("dlslime", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    const char* level = std::getenv("DLSLIME_LOG");
    made->set_level(level && *level ? spdlog::level::from_str(level) : spdlog::level::warn);
    made->set_pattern("[%H:%M:%S.%e %P dlslime %l] %v");
    return made;
  }();
  return *instance;
}

}  // namespace

void log_error(const std::string& text) { logger().error("{}", text); }
void log_warning(const std::string& text) { logger().warn("{}", text); }
void log_info(const std::string& text) { logger().info("{}", text); }
void log_debug(const std::string& text) { logger().debug("{}", text); }
bool logs_debug() { return logger().should_log(spdlog::level::debug); }

void log_warning_once(const std::string& text) {
  static std::mutex mutex;
  static auto* const said = new std::set<std::string>;
  {
    const std::lock_guard lock(mutex);
    if (!said->insert(text).second) return;
  }
  log_warning(text);
}

}  // namespace dlslime
