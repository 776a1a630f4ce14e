// Engines: the registration. The one place above csrc/engine/ that knows engines by name.
//
// Threads:    make_engine(): under the executor's token; route_to() never under it.
// Ownership:  the runtime owns what is made.
// Errors:     an engine that can't be made is left out, with the reason as a Status (kept: Process::why_not).
#pragma once
#include <string>
#include <vector>

#include "engine/runtime.h"
#include "engine/services.h"
#include "torch_ext/config.h"

namespace dlslime {

const std::vector<std::string>& known_engines();  // in order of preference

// By which of its addresses this host is reached from where `host` is; empty where nothing better than
// loopback is known. May look a name up: not under the token.
std::string route_to(const std::string& host);

// Makes the engine and adds it to the runtime.
Status make_engine(const std::string& name, const Settings& settings, const std::string& address,
                   const Services& services, Runtime& runtime);

}  // namespace dlslime
