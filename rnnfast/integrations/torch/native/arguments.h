// arguments.h - the tensors of a call as Python passes them, taken where all are as a plan expects them.
#ifndef RNNFAST_BRIDGE_ARGUMENTS_H
#define RNNFAST_BRIDGE_ARGUMENTS_H

#include <torch/csrc/autograd/python_variable.h>

#include "memory.h"
#include "plan.h"

namespace {

bool take(Tensors &inputs, const Plan &plan, PyObject *object) {
  if (inputs.size() == plan.expected.size() || !THPVariable_CheckExact(object)) return false;
  const Tensor &tensor = THPVariable_Unpack(object);
  if (!plan.expected[inputs.size()].is_of(tensor)) return false;
  inputs.push_back(tensor);
  return true;
}

bool take_states(Tensors &inputs, const Plan &plan, PyObject *hx) {
  if (hx == Py_None) return true;
  if (!plan.two_states) return take(inputs, plan, hx);
  if (!PyTuple_CheckExact(hx) && !PyList_CheckExact(hx)) return false;
  for (Py_ssize_t n = 0; n < PySequence_Fast_GET_SIZE(hx); n++) {
    if (!take(inputs, plan, PySequence_Fast_GET_ITEM(hx, n))) return false;
  }
  return true;
}

// `parameters`: a dict, whose None do not count.
bool take_parameters(Tensors &inputs, const Plan &plan, PyObject *parameters) {
  PyObject *key, *value;
  for (Py_ssize_t n = 0; PyDict_Next(parameters, &n, &key, &value);) {
    if (value != Py_None && !take(inputs, plan, value)) return false;
  }
  return true;
}

// Whether the call is the plan's; then `inputs` has all of its tensors.
bool take_all(Tensors &inputs, const Plan &plan, PyObject *x, PyObject *hx, PyObject *parameters) {
  return take(inputs, plan, x) && take_states(inputs, plan, hx) && take_parameters(inputs, plan, parameters) &&
         inputs.size() == plan.expected.size();
}

} // namespace

#endif
