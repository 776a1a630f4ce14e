// /proc of this machine, where processes of one host find each other's descriptors, and how a system call's failure is told.
//
// Threads: any.   Errors: link_target() is empty, with errno set, where the link can't be read.
#pragma once
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/status.h"

namespace dlslime {

inline Status failed(const std::string& what) {
  const bool descriptors = errno == EMFILE;
  return {Code::kUnavailable, what + ": " + std::strerror(errno) + (descriptors ? " (raise ulimit -n)" : "")};
}

inline std::string descriptor_of(int pid, int fd) {
  return "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(fd);
}

inline std::string link_target(const std::string& path) {
  char target[64];
  const ssize_t n = readlink(path.c_str(), target, sizeof target);
  return n < 0 ? std::string() : std::string(target, size_t(n));
}

}  // namespace dlslime
