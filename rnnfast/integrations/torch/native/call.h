// call.h - calls of the library on tensors: a record is filled, run, and its status put into words.
#ifndef RNNFAST_BRIDGE_CALL_H
#define RNNFAST_BRIDGE_CALL_H

#include <ATen/core/Tensor.h>
#include <c10/core/DispatchKeySet.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/csrc/utils/pybind.h>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "memory.h"
#include "objects.h"
#include "plan.h"
#include "record.h"

namespace {

using torch::autograd::variable_list;

void check(const Plan &plan, int32_t status) {
  if (status == 0) return;
  py::gil_scoped_acquire gil;
  raise(plan.refuse, py::int_(status));
}

// Data of another form may stand under the inputs of a call since then.
void check(const Plan &plan, const variable_list &inputs) {
  bool fit = true;
  for (size_t n = 0; n < inputs.size(); n++) fit = fit && plan.expected[n].is_read_from(inputs[n], n == 0);
  if (fit) return;
  py::gil_scoped_acquire gil;
  py::list tensors;
  for (const Tensor &tensor : inputs) tensors.append(object_of(tensor));
  raise(plan.misfit, tensors);
}

// Gradients of results as the library reads them.
variable_list dense(const variable_list &given) {
  variable_list found;
  for (const Tensor &gradient : given) {
    const c10::DispatchKeySet batches({c10::DispatchKey::Batched, c10::DispatchKey::FuncTorchBatched});
    if (gradient.defined() && gradient.key_set().has_any(batches)) throw std::runtime_error(library.no_transforms);
    if (gradient.defined() && gradient.layout() != at::kStrided) throw std::runtime_error(library.not_dense);
    found.push_back(gradient.defined() ? gradient.resolve_neg().contiguous() : gradient);
  }
  return found;
}

void set_table(Record &record, const Plan &plan, int first, const c10::SmallVectorImpl<const void *> &arrays) {
  for (size_t n = 0; n < plan.tables.size(); n++) {
    record.set(first + plan.tables[n], arrays.data() + n * (plan.order.size() / plan.tables.size()));
  }
}

void fill(Record &record, const Plan &plan, const Prepared &from, at::TensorList inputs, const Tensor &reserve,
          uint64_t seed) {
  std::memcpy(record.bytes, from.record.data(), from.record.size());
  for (int64_t n = 0; n <= plan.states; n++) record.set(field::x + n, inputs[n]);
  if (const Tensor &x = inputs[0]; !x.is_contiguous()) {
    if (plan.x_axis_t >= 0) record.set(field::x_stride_t, x.stride(plan.x_axis_t));
    if (plan.x_axis_b >= 0) record.set(field::x_stride_b, x.stride(plan.x_axis_b));
  }
  for (const int64_t n : plan.order) record.parameters.push_back(inputs[1 + plan.states + n].const_data_ptr());
  set_table(record, plan, field::weight_ih, record.parameters);
  record.set(field::reserve, reserve.defined() ? aligned(reserve) : nullptr);
  record.set(field::dropout_seed, seed);
}

// y and the final states; the reserve as well where the form has one.
Tensors results_of(const Plan &plan, const Tensors &inputs, Tensor &reserve, uint64_t seed) {
  const at::ScalarType dtype = plan.expected[0].dtype;
  Tensors results{made(plan.y_sizes, dtype)};
  for (const auto &sizes : plan.state_sizes) results.push_back(made(sizes, dtype));
  if (!plan.backward.record.empty()) reserve = made_bytes(plan.reserve_bytes);
  const Tensor memory = scratch(plan.forward.scratch);
  Record record;
  fill(record, plan, plan.forward, inputs, reserve, seed);
  record.set(field::workspace, aligned(memory));
  for (size_t n = 0; n < results.size(); n++) record.set(field::y + n, results[n]);
  int32_t status;
  {
    py::gil_scoped_release others_run;
    status = library.forward(record.bytes);
  }
  check(plan, status);
  return results;
}

// Gradients of the inputs from those of the results, where `needed`: of x, of the states, of the parameters.
variable_list gradients_of(const Plan &plan, const variable_list &inputs, const Tensor &reserve, uint64_t seed,
                           const std::vector<bool> &needed, const variable_list &given, bool keep) {
  check(plan, inputs);
  const size_t parameters = 1 + plan.states;
  const variable_list gradients = dense(given);
  variable_list found(inputs.size());
  for (size_t n = 0; n < inputs.size(); n++) {
    const Expected &expected = plan.expected[n];
    if (needed[n == 0 ? 0 : n < parameters ? 1 : 2]) found[n] = made(expected.sizes, expected.dtype);
  }
  const Prepared &prepared = keep ? plan.keeping : plan.backward;
  const Tensor memory = scratch(prepared.scratch);
  Record record;
  fill(record, plan, prepared, inputs, reserve, seed);
  record.set(field::workspace, aligned(memory));
  for (size_t n = 0; n < gradients.size(); n++) record.set(field::dy + n, gradients[n]);
  for (size_t n = 0; n < parameters; n++) record.set(field::dx + n, found[n]);
  if (needed[2]) {
    for (const int64_t n : plan.order) record.gradients.push_back(found[parameters + n].const_data_ptr());
    set_table(record, plan, field::d_weight_ih, record.gradients);
  }
  check(plan, library.backward(record.bytes));
  return found;
}

} // namespace

#endif
