// objects.h - what passes between Python and C++: tensors, numbers, objects that are kept, errors.
#ifndef RNNFAST_BRIDGE_OBJECTS_H
#define RNNFAST_BRIDGE_OBJECTS_H

#include <ATen/core/Tensor.h>
#include <c10/core/SafePyObject.h>
#include <torch/csrc/Exceptions.h>
#include <torch/csrc/PyInterpreter.h>
#include <torch/csrc/autograd/python_variable.h>
#include <torch/csrc/utils/pybind.h>
#include <cstdint>
#include <vector>

namespace {

namespace py = pybind11;

py::object object_of(const at::Tensor &tensor) { return py::reinterpret_steal<py::object>(THPVariable_Wrap(tensor)); }

std::vector<int64_t> numbers(const py::handle &sequence) {
  std::vector<int64_t> found;
  for (const py::handle &number : sequence) found.push_back(number.cast<int64_t>());
  return found;
}

c10::SafePyObject kept(const py::object &object) { return {object.inc_ref().ptr(), getPyInterpreter()}; }

// Has Python put into words what is wrong, and throws that.
[[noreturn]] void raise(const c10::SafePyObject &words, const py::object &about) {
  Py_XDECREF(PyObject_CallOneArg(words.ptr(getPyInterpreter()), about.ptr()));
  python_error error;
  error.persist();
  throw error;
}

} // namespace

#endif
