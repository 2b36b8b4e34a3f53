// node.h - what autograd keeps of a call that is recorded: the node between its results and its inputs.
#ifndef RNNFAST_BRIDGE_NODE_H
#define RNNFAST_BRIDGE_NODE_H

#include <ATen/core/ivalue.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/basic_ops.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/graph_task.h>
#include <torch/csrc/autograd/saved_variable.h>
#include <algorithm>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "call.h"

namespace {

namespace autograd = torch::autograd;

struct Recurrence : autograd::Node {
  Shared plan;
  std::vector<autograd::SavedVariable> inputs;
  Tensor reserve;
  c10::IValue seed; // an integer, as compiled autograd has those that are others in every call

  Recurrence(autograd::edge_list &&edges, Shared plan, Tensor reserve, uint64_t seed)
      : Node(std::move(edges)), plan(std::move(plan)), reserve(std::move(reserve)), seed(static_cast<int64_t>(seed)) {}
  std::string name() const override { return "RecurrenceBackward"; }
  void release_variables() override;
  variable_list apply(variable_list &&given) override;
  void compiled_args(torch::dynamo::autograd::CompiledNodeArgs &args) const override;
  variable_list apply_with_saved(const variable_list &given,
                                 torch::dynamo::autograd::SwapSavedVariables &saved) override;
  variable_list unpacked() const;
  std::vector<bool> needed() const;
};

void Recurrence::release_variables() {
  std::lock_guard<std::mutex> lock(mutex_);
  for (auto &input : inputs) input.reset_data();
  reserve.reset();
}

// The inputs, which nobody changed in place.
variable_list Recurrence::unpacked() const {
  variable_list found;
  for (const auto &input : inputs) found.push_back(input.unpack());
  return found;
}

// Whether gradients of x, of the states and of the parameters are asked for, all of a kind or none.
std::vector<bool> Recurrence::needed() const {
  const size_t parameters = 1 + plan->states, end = inputs.size();
  std::vector<bool> found;
  for (const auto &[from, to] : {std::pair<size_t, size_t>{0, 1}, {1, parameters}, {parameters, end}}) {
    found.push_back(const_cast<Recurrence *>(this)->task_should_compute_output({{from, to}}));
  }
  return found;
}

bool are_undefined(const variable_list &tensors) {
  return std::none_of(tensors.begin(), tensors.end(), [](const Tensor &tensor) { return tensor.defined(); });
}

// Has gradients of these gradients refused.
void refuse_again(variable_list &found, const variable_list &given, const variable_list &inputs) {
  autograd::edge_list edges;
  for (const auto &tensors : {given, inputs}) {
    for (const Tensor &tensor : tensors) {
      if (tensor.defined() && tensor.requires_grad()) edges.push_back(autograd::impl::gradient_edge(tensor));
    }
  }
  if (edges.empty()) return;
  auto error = c10::make_intrusive<autograd::Error>(library.not_twice, std::move(edges));
  autograd::set_history(found, error);
}

variable_list Recurrence::apply(variable_list &&given) {
  std::lock_guard<std::mutex> lock(mutex_);
  const bool again = at::GradMode::is_enabled(); // gradients of gradients may be asked for
  c10::AutoGradMode unrecorded(false);
  if (are_undefined(given)) return variable_list(inputs.size());
  const auto kept = unpacked();
  const bool keep = autograd::get_current_graph_task_keep_graph();
  variable_list found = gradients_of(*plan, kept, reserve, seed.toInt(), needed(), given, keep);
  if (again) refuse_again(found, given, kept);
  return found;
}

// Has autograd find the way from results to inputs.
void attach(const Shared &plan, const Tensors &inputs, const Tensors &results, Tensor reserve, uint64_t seed) {
  autograd::edge_list edges;
  for (const Tensor &input : inputs) {
    edges.push_back(input.requires_grad() ? autograd::impl::gradient_edge(input) : autograd::Edge());
  }
  auto node = c10::make_intrusive<Recurrence>(std::move(edges), plan, std::move(reserve), seed);
  node->inputs.reserve(inputs.size());
  for (const Tensor &input : inputs) node->inputs.emplace_back(input, false);
  for (const Tensor &result : results) autograd::set_history(result, node);
}

} // namespace

#endif
