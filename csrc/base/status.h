// Status: how anything in this project fails. A code, the peer and engine it concerns, and what was being tried.
//
// Threads:    a value; copy it freely.
// Ownership:  owns its text.
// Errors:     never thrown by itself; `Failure` carries one through coroutine frames and becomes a Status again at the edge.
// Invariants: ok() <=> code == Code::kOk; an ok Status has no text.
#pragma once
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace dlslime {

// Grouped by what the caller can do next.
enum class Code : uint8_t {
  kOk = 0,
  // Mend the call.
  kInvalid,   // an argument is out of range
  kMismatch,  // ranks called different things
  kDenied,    // the target refused the access
  // Retry the operation.
  kTimeout,  // the deadline passed; the peers live as far as is known
  // Drop the peer, rebuild the group.
  kPeerDied,    // the peer's process is gone
  kPeerFailed,  // the peer reported a failure of its own
  kLinkLost,    // the connection is gone; the peer's fate is unknown
  kAborted,     // somebody here called abort() or interrupted the call
  kClosed,      // the group or endpoint was shut down
  // Choose another engine.
  kUnavailable,
  kElsewhere,  // the peer is not where this engine could ever reach: nothing is amiss
  kInternal,
};

std::string_view name_of(Code code);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string what) : code_(code), what_(std::move(what)) {}

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& what() const { return what_; }
  int peer() const { return peer_; }                     // rank in the group concerned, -1: none
  const std::string& engine() const { return engine_; }  // empty: none

  Status&& at_peer(int rank) && { return peer_ = rank, std::move(*this); }
  Status&& via(std::string_view engine) && { return engine_ = engine, std::move(*this); }
  // The same failure with what the caller was doing put in front.
  Status during(std::string_view operation) const;
  std::string to_string() const;

 private:
  Code code_ = Code::kOk;
  int peer_ = -1;
  std::string engine_;
  std::string what_;
};

// Thrown by `co_await` (and only there); never on a success path.
class Failure : public std::exception {
 public:
  explicit Failure(Status status) : status_(std::move(status)), text_(status_.to_string()) {}
  const Status& status() const { return status_; }
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  Status status_;
  std::string text_;
};

}  // namespace dlslime
