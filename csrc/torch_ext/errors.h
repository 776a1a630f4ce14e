// Errors: how a Status reaches Python, as the exception type of torch that fits.
//
//   code                              exception
//   --------------------------------  ------------------------------------------------
//   kInvalid                          ValueError
//   kLinkLost, kUnavailable           DistNetworkError (a RuntimeError)
//   every other                       DistBackendError (a RuntimeError); a timeout's text says "Timed out"
//
// Threads: any.   Errors: throws, or makes what is to be thrown.
#pragma once
#include <exception>
#include <string>

#include "torch_ext/job.h"

namespace dlslime {

std::exception_ptr exception_of(const Job& job);  // of a done one; null if it succeeded
std::exception_ptr exception_of(const Status& status, const std::string& what);
void throw_if_failed(const Status& status, const std::string& what);

}  // namespace dlslime
