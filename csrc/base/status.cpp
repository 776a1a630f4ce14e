#include "base/status.h"

namespace dlslime {

std::string_view name_of(Code code) {
  switch (code) {
    case Code::kOk:
      return "ok";
    case Code::kInvalid:
      return "invalid argument";
    case Code::kMismatch:
      return "mismatch between ranks";
    case Code::kDenied:
      return "access denied";
    case Code::kTimeout:
      return "timed out";
    case Code::kPeerDied:
      return "peer died";
    case Code::kPeerFailed:
      return "peer failed";
    case Code::kLinkLost:
      return "connection lost";
    case Code::kAborted:
      return "aborted";
    case Code::kClosed:
      return "closed";
    case Code::kUnavailable:
      return "unavailable";
    case Code::kElsewhere:
      return "elsewhere";
    case Code::kInternal:
      return "internal error";
  }
  return "unknown";
}

Status Status::during(std::string_view operation) const {
  Status s = *this;
  s.what_ = std::string(operation) + ": " + what_;
  return s;
}

std::string Status::to_string() const {
  if (ok()) return "ok";
  std::string text(name_of(code_));
  if (!engine_.empty()) text += " [engine " + engine_ + "]";
  return text + ": " + what_;
}

}  // namespace dlslime
