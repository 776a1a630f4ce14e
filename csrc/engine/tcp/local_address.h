// Which of this host's addresses to listen on.
//
// Threads:    any; not under the token: a name is looked up, which may take as long as the resolver likes.
// Errors:     kInvalid: no such host or interface; kUnavailable: it has no usable address.
// Invariants: a numeric address comes back, never a name.
#pragma once
#include <string>
#include <string_view>

#include "base/status.h"

namespace dlslime {

// The address from which this host would talk to `host` (a name or a number): what its peers can reach. A
// host that is this one answers with its own address; "localhost" with loopback.
Status local_address_towards(std::string_view host, std::string* address);

// IPv4 before IPv6; link-local addresses mean nothing to others and are left out.
Status address_of_interface(std::string_view interface, std::string* address);

}  // namespace dlslime
