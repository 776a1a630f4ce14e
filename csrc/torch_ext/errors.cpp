#include "torch_ext/errors.h"

#include <c10/util/Exception.h>

namespace dlslime {
namespace {

template <class E>
std::exception_ptr make(const std::string& text) {
  return std::make_exception_ptr(E({__func__, __FILE__, uint32_t(__LINE__)}, text));
}

}  // namespace

std::exception_ptr exception_of(const Status& status, const std::string& what) {
  if (status.ok()) return nullptr;
  std::string text = "dlslime: " + what + ": ";
  if (status.code() == Code::kTimeout) text += "Timed out because ";
  if (status.code() == Code::kPeerDied) text += "peer died: ";
  text += status.what();
  switch (status.code()) {
    case Code::kInvalid:
      return make<c10::ValueError>(text);
    case Code::kLinkLost:
    case Code::kUnavailable:
      return make<c10::DistNetworkError>(text);
    default:
      return make<c10::DistBackendError>(text);
  }
}

std::exception_ptr exception_of(const Job& job) {
  const Status& status = job.status();
  if (status.ok()) return nullptr;
  std::string what = status.what();
  for (const std::string& more : {job.elsewhere(), job.member().global_ranks().legend()})
    what += (more.empty() ? "" : "; ") + more;
  return exception_of(Status(status.code(), what), job.describe());
}

void throw_if_failed(const Status& status, const std::string& what) {
  if (!status.ok()) std::rethrow_exception(exception_of(status, what));
}

}  // namespace dlslime
