// compiled_autograd.h - a node's backward where compiled autograd traces it as a call of a function.
#ifndef RNNFAST_BRIDGE_COMPILED_AUTOGRAD_H
#define RNNFAST_BRIDGE_COMPILED_AUTOGRAD_H

#include <ATen/core/ivalue.h>
#include <ATen/core/jit_type.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/dynamo/compiled_autograd.h>
#include <torch/csrc/utils/pybind.h>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "node.h"

namespace {

namespace compiled = torch::dynamo::autograd;

// What was traced is used again where these constants are the same, on the tensors and numbers of then. The plan lives as
// long as what was made, so that its address is one.
void Recurrence::compiled_args(compiled::CompiledNodeArgs &args) const {
  args.collect(static_cast<uint64_t>(reinterpret_cast<uintptr_t>(plan.get())));
  args.collect(needed());
  args.collect(inputs, false);
  args.collect(reserve);
  args.collect(seed);
}

// The call as it is traced, of a function that is to be run as it is.
variable_list Recurrence::apply_with_saved(const variable_list &given, compiled::SwapSavedVariables &saved) {
  using Metadata = std::vector<std::optional<autograd::InputMetadata>>;
  saved.before(inputs);
  saved.before(reserve);
  saved.before(seed);
  const std::vector<c10::IValue> args{c10::IValue(unpacked()), reserve, seed};
  const std::vector<at::TypePtr> types{at::ListType::ofTensors(), at::TensorType::get(), at::IntType::get()};
  const auto run = [plan = plan, needed = needed()](const variable_list &given, const std::vector<c10::IValue> &args) {
    py::gil_scoped_release others_run;
    c10::AutoGradMode unrecorded(false);
    const auto inputs = args[0].toTensorVector();
    if (are_undefined(given)) return variable_list(inputs.size());
    return gradients_of(*plan, inputs, args[1].toTensor(), args[2].toInt(), needed, given, true);
  };
  const auto &python = compiled::getPyCompilerInterface();
  PyObject *compiler = saved.get_py_compiler();
  const std::string function = python->bind_function(compiler, name(), run, types, /*is_custom_function=*/true,
                                                     /*is_traceable=*/false);
  const auto metadata = compiled::IValuePacker<Metadata>::pack(compiled::get_input_metadata(next_edges()));
  auto found = python->call_function(compiler, "apply_functional", function, given, args, metadata);
  saved.after(inputs);
  saved.after(reserve);
  saved.after(seed);
  return found;
}

} // namespace

#endif
