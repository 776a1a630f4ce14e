#include "torch_ext/interrupt.h"

#include <sys/syscall.h>
#include <torch/csrc/utils/pybind.h>
#include <unistd.h>

#include <optional>

namespace dlslime {
namespace {

thread_local std::optional<py::error_already_set> t_raised;

bool main_thread() { return syscall(SYS_gettid) == getpid(); }

}  // namespace

bool interrupted() {
  if (!main_thread() || !Py_IsInitialized()) return false;
  const py::gil_scoped_acquire gil;
  if (PyErr_CheckSignals() == 0) return false;
  t_raised.emplace();  // takes the exception over from the interpreter
  return true;
}

void rethrow_interrupt() {
  py::error_already_set raised = std::move(*t_raised);
  t_raised.reset();
  throw raised;
}

}  // namespace dlslime
