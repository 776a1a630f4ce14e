// PeerInfo: what others need to know to reach a process. One versioned document, published in the store (msgpack).
//
// Threads: a value.   Errors: decode() answers kMismatch for another version and kInvalid for bytes that are no PeerInfo.
#pragma once
#include <map>
#include <string>
#include <string_view>

#include "base/status.h"

namespace dlslime {

using Blob = std::map<std::string, std::string>;  // what processes tell each other: named strings

std::string pack(const Blob& blob);
Status unpack(std::string_view bytes, Blob* out);
std::string get(const Blob& blob, const std::string& key);  // empty: nothing is said of it

struct PeerInfo {
  static constexpr int kVersion = 3;  // of this document and of everything spoken between processes

  std::string id;      // 32 hex digits, new for every Runtime: names an incarnation, not a machine
  std::string secret;  // 32 bytes; whoever can read the store may connect
  int pid = 0;
  std::string host;  // boot id, or the `host_id` option beside it
  Blob addresses;    // engine name -> that engine's own, packed

  std::string encode() const;
  static Status decode(std::string_view bytes, PeerInfo* out);
};

}  // namespace dlslime
