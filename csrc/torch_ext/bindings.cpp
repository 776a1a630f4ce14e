// The Python module _C.
#include <pybind11/chrono.h>
#include <torch/csrc/utils/pybind.h>

#include "reduce/reduce.h"
#include "torch_ext/backend.h"
#include "torch_ext/config.h"
#include "torch_ext/cpus.h"

namespace dlslime {
namespace {

using NoGil = py::call_guard<py::gil_scoped_release>;
using BaseOptions = c10d::Backend::Options;

c10::intrusive_ptr<DlslimeBackend> create_backend(const c10::intrusive_ptr<c10d::Store>& store, int rank,
                                                  int size, std::chrono::milliseconds timeout,
                                                  const std::string& group_id,
                                                  const std::vector<int64_t>& global_ranks,
                                                  const c10::intrusive_ptr<DlslimeOptions>& given) {
  DlslimeOptions options = given ? *given : DlslimeOptions();
  options.timeout = timeout;
  options.group_name = group_id;
  options.global_ranks_in_group.assign(global_ranks.begin(), global_ranks.end());
  return DlslimeBackend::create(store, rank, size, std::move(options));
}

template <class T>
void add_setting(py::class_<DlslimeOptions, BaseOptions, c10::intrusive_ptr<DlslimeOptions>>& cls,
                 const char* name, T Settings::*field) {
  cls.def_property(
      name, [field](const DlslimeOptions& o) { return o.settings.*field; },
      [field](DlslimeOptions& o, T value) {
        Settings changed = o.settings;
        changed.*field = std::move(value);
        changed.check();
        o.settings = std::move(changed);
      });
}

void bind_options(py::module_& m) {
  py::class_<DlslimeOptions, BaseOptions, c10::intrusive_ptr<DlslimeOptions>> cls(m, "Options");
  cls.def(py::init<>());
  const auto copy = [](const DlslimeOptions& o) { return c10::make_intrusive<DlslimeOptions>(o); };
  cls.def("__copy__", copy);
  cls.def("__deepcopy__", [copy](const DlslimeOptions& o, const py::dict&) { return copy(o); });
  add_setting(cls, "engines", &Settings::engines);
  add_setting(cls, "interface", &Settings::interface);
  add_setting(cls, "host_id", &Settings::host_id);
  add_setting(cls, "spin_us", &Settings::spin_us);
  add_setting(cls, "yield_us", &Settings::yield_us);
  add_setting(cls, "connect_timeout", &Settings::connect_timeout);
  add_setting(cls, "threads", &Settings::threads);
  cls.def_property(
      "plan", [](const DlslimeOptions& o) { return o.settings.plan_file; },
      [](DlslimeOptions& o, const std::string& path) { o.settings.read_plan("plan", path); });
}

// operation, way, algorithm, most bytes
using Choice = std::tuple<std::string, std::string, std::string, std::optional<size_t>>;
std::vector<Choice> choices() {
  std::vector<Choice> all;
  for (const PlanChoice& one : plan_choices()) {
    const size_t most = most_of(one.algorithm);
    all.emplace_back(name_of(one.kind), name_of(one.way), name_of(one.algorithm),
                     most == SIZE_MAX ? std::nullopt : std::optional(most));
  }
  return all;
}

std::string plan_text(const std::string& path) {
  Settings settings;
  settings.read_plan("plan", path);
  return settings.plan.text();
}

// What `dlslime doctor` shows of this process.
std::map<std::string, std::string> host() {
  return {
      {"reductions", simd_name()}, {"usable CPUs", std::to_string(usable_cpus())}, {"boot id", boot_id()}};
}

void bind_backend(py::module_& m) {
  py::class_<DlslimeBackend, c10d::Backend, c10::intrusive_ptr<DlslimeBackend>>(m, "Backend")
      .def_property_readonly("options", &DlslimeBackend::getBackendOptions)
      .def("report", &DlslimeBackend::report)
      .def("plan", &DlslimeBackend::plan)
      .def("comm_seconds", &DlslimeBackend::comm_seconds)
      // torch calls it on non-members of a split; there is nothing that they must take part in.
      .def(
          "perform_nocolor_split", [](DlslimeBackend&, const py::object&) {}, py::arg("device"))
      .def(
          "monitored_barrier",
          [](DlslimeBackend& self, std::chrono::milliseconds timeout, bool wait_all_ranks) {
            c10d::BarrierOptions opts;
            opts.timeout = timeout;
            self.monitoredBarrier(opts, wait_all_ranks);
          },
          py::arg("timeout") = c10d::kUnsetTimeout, py::arg("wait_all_ranks") = false, NoGil());
}

}  // namespace
}  // namespace dlslime

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  py::module_::import("torch.distributed");  // registers the base classes
  dlslime::bind_options(m);
  dlslime::bind_backend(m);
  m.def("create_backend", &dlslime::create_backend, py::arg("store"), py::arg("rank"), py::arg("size"),
        py::arg("timeout"), py::arg("group_id"), py::arg("global_ranks"), py::arg("options").none(true),
        dlslime::NoGil());
  m.def("knobs", &dlslime::knobs);
  m.def("plan_choices", &dlslime::choices);
  m.def("plan_text", &dlslime::plan_text, py::arg("path") = "");
  m.def("host", &dlslime::host);
  m.def("built_for_torch", [] { return DLSLIME_TORCH_VERSION; });
  py::module_::import("atexit").attr("register")(
      py::cpp_function([] { dlslime::Process::stop_all(); }, dlslime::NoGil()));
}
