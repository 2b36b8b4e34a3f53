// bridge.cpp - calls of librnnfast on PyTorch's tensors, and their derivative, with no Python in between: the module.
//
// Python decides what runs: it makes a plan of a form of call, once, and hands over tensors with every call after that.
// What is no longer as the plan has it is left to Python (a forward) or put into words there (a backward). The library is
// reached through two addresses, so that this folder is compiled against PyTorch and Python alone. The headers beside this
// file are its own: all is one translation unit, as reading PyTorch's headers takes most of the time of a build.
#include <ATen/SavedTensorHooks.h>
#include <ATen/record_function.h>
#include <torch/csrc/Exceptions.h>
#include <torch/csrc/PyInterpreter.h>
#include <torch/csrc/utils/pybind.h>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "arguments.h"
#include "call.h"
#include "compiled_autograd.h"
#include "node.h"
#include "objects.h"
#include "plan.h"
#include "record.h"

namespace {

#ifdef __clang__
const char *const COMPILER = __VERSION__;
#else
const char *const COMPILER = "GCC " __VERSION__;
#endif
const char *const CAPSULE = "rnnfast.Plan";

// run(plan, x, hx, parameters): what the module's class would return, or None where the call is another than the
// plan's, or somebody asks for what is saved.
PyObject *run(PyObject *, PyObject *const *arguments, Py_ssize_t) {
  HANDLE_TH_ERRORS
  const auto *shared = static_cast<Shared *>(PyCapsule_GetPointer(arguments[0], CAPSULE));
  if (shared == nullptr) return nullptr;
  const Plan &plan = **shared;
  Tensors inputs;
  if (!take_all(inputs, plan, arguments[1], arguments[2], arguments[3])) Py_RETURN_NONE;
  if (plan.recorded && at::SavedTensorDefaultHooks::get_hooks()) Py_RETURN_NONE;
  uint64_t seed = 0;
  if (PyObject *draw = plan.draw.ptr(getPyInterpreter()); draw != Py_None) {
    seed = py::reinterpret_borrow<py::object>(draw)().cast<uint64_t>();
  }
  Tensor reserve;
  RECORD_FUNCTION("Recurrence", c10::ArrayRef<const c10::IValue>{});
  const Tensors results = results_of(plan, inputs, reserve, seed);
  if (plan.recorded) attach(*shared, inputs, results, std::move(reserve), seed);
  py::object after = object_of(results[1]);
  if (plan.two_states) after = py::make_tuple(after, object_of(results[2]));
  return (plan.one_step ? after : py::make_tuple(object_of(results[0]), after)).release().ptr();
  END_HANDLE_TH_ERRORS
}
PyMethodDef RUN = {"run", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(run)), METH_FASTCALL, nullptr};

// plan(given): a plan, from what Python names.
py::capsule plan(const py::dict &given) {
  const auto forget = [](void *shared) { delete static_cast<Shared *>(shared); };
  return py::capsule(new Shared(std::make_shared<Plan>(given)), CAPSULE, forget);
}

// connect(...): has calls reach the library, and refusals say what they say in Python.
void connect(uintptr_t forward, uintptr_t backward, size_t record_bytes, const py::dict &offsets,
             std::string no_transforms, std::string not_twice, std::string not_dense) {
  if (record_bytes > sizeof Record::bytes) throw std::length_error("rf_problem is longer than the bridge has room for");
  library.forward = reinterpret_cast<int32_t (*)(const void *)>(forward);
  library.backward = reinterpret_cast<int32_t (*)(const void *)>(backward);
  for (int n = 0; n < field::COUNT; n++) library.offsets[n] = offsets[NAMES[n]].cast<size_t>();
  library.no_transforms = std::move(no_transforms);
  library.not_twice = std::move(not_twice);
  library.not_dense = std::move(not_dense);
}

} // namespace

PYBIND11_MODULE(_bridge, module) {
  module.def("plan", plan);
  module.def("connect", connect);
  module.attr("run") = py::reinterpret_steal<py::object>(PyCFunction_New(&RUN, nullptr));
  py::list names;
  for (const char *name : NAMES) names.append(name);
  module.attr("FIELDS") = py::tuple(names);
  module.attr("COMPILER") = COMPILER;
}
