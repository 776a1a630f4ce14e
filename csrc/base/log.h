// Log: the one logger, "dlslime" on stderr. DLSLIME_LOG sets the level: trace, debug, info, warn (default),
// error, off.
//
// Threads: any; not under the token (writing may block).
#pragma once
#include <string>

namespace dlslime {

void log_error(const std::string& text);
void log_warning(const std::string& text);
void log_info(const std::string& text);
void log_debug(const std::string& text);
bool logs_debug();  // ask before building an expensive text

// At most once per process for the same text.
void log_warning_once(const std::string& text);

}  // namespace dlslime
