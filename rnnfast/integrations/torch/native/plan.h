// plan.h - a form of call, as Python names it once: how it runs, and what its tensors are expected to be.
#ifndef RNNFAST_BRIDGE_PLAN_H
#define RNNFAST_BRIDGE_PLAN_H

#include <c10/core/SafePyObject.h>
#include <torch/csrc/autograd/python_variable.h>
#include <torch/csrc/utils/pybind.h>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "expected.h"
#include "objects.h"

namespace {

// A record but for its arrays, and the bytes of scratch that it takes.
struct Prepared {
  explicit Prepared(const py::handle &pair)
      : record(pair[py::int_(0)].cast<std::string>()), scratch(pair[py::int_(1)].cast<size_t>()) {}
  std::string record; // empty where the form has none
  size_t scratch;
};

struct Plan {
  explicit Plan(const py::dict &given);

  Prepared forward, backward, keeping;
  bool recorded, two_states, one_step;
  size_t reserve_bytes;
  int64_t states; // given with a call, 0 for zeros
  int64_t x_axis_t, x_axis_b; // -1: x has none
  std::vector<int64_t> tables, order; // which tables of parameters there are, and the parameters that stand in them
  std::vector<int64_t> y_sizes;
  std::vector<std::vector<int64_t>> state_sizes; // all of them, given or not
  std::vector<Expected> expected; // x, states, parameters
  c10::SafePyObject draw, refuse, misfit, owner; // a seed of dropout or None, what raise, what records point into
};

Plan::Plan(const py::dict &given)
    : forward(given["forward"]), backward(given["backward"]), keeping(given["keeping"]),
      recorded(given["recorded"].cast<bool>()), two_states(given["two_states"].cast<bool>()),
      one_step(given["one_step"].cast<bool>()), reserve_bytes(given["reserve_bytes"].cast<size_t>()),
      states(given["states"].cast<int64_t>()), x_axis_t(given["x_axis_t"].cast<int64_t>()),
      x_axis_b(given["x_axis_b"].cast<int64_t>()), tables(numbers(given["tables"])), order(numbers(given["order"])),
      y_sizes(numbers(given["y_sizes"])), draw(kept(given["draw"])), refuse(kept(given["refuse"])),
      misfit(kept(given["misfit"])), owner(kept(given["owner"])) {
  for (const py::handle &sizes : given["state_sizes"]) state_sizes.push_back(numbers(sizes));
  for (const py::handle &tensor : given["tensors"]) expected.emplace_back(THPVariable_Unpack(tensor.ptr()));
}

using Shared = std::shared_ptr<const Plan>;

} // namespace

#endif
