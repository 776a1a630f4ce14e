// Log: the one logger, "dlslime" on stderr. DLSLIME_LOG sets the level, one of kLogLevels; before anybody has looked whether
// it is one, what is none counts as the default.
//
// Threads: any; not under the token (writing may block).
#pragma once
#include <array>
#include <string>
#include <string_view>

namespace dlslime {

inline constexpr std::array<std::string_view, 7> kLogLevels{"trace", "debug",    "info", "warn",
                                                            "error", "critical", "off"};
inline constexpr std::string_view kDefaultLogLevel = "warn";
bool is_log_level(std::string_view name);

void log_error(const std::string& text);
void log_warning(const std::string& text);
void log_info(const std::string& text);
void log_debug(const std::string& text);
bool logs_debug();  // ask before building an expensive text

// At most once per process for the same key.
void log_warning_once(const std::string& key, const std::string& text);
inline void log_warning_once(const std::string& text) { log_warning_once(text, text); }

}  // namespace dlslime
