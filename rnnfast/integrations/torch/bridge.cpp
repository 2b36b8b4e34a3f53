// bridge.cpp - calls of librnnfast on PyTorch's tensors, and their derivative, with no Python in between.
//
// Python decides what runs: it makes a plan of a form of call, once, and hands over tensors with every call after that.
// What is no longer as the plan has it is left to Python (a forward) or put into words there (a backward). The library is
// reached through two addresses, so that this file is compiled against PyTorch and Python alone.
#include <ATen/EmptyTensor.h>
#include <ATen/SavedTensorHooks.h>
#include <ATen/record_function.h>
#include <c10/core/GradMode.h>
#include <c10/core/SafePyObject.h>
#include <torch/csrc/PyInterpreter.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/basic_ops.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/graph_task.h>
#include <torch/csrc/autograd/python_variable.h>
#include <torch/csrc/autograd/saved_variable.h>
#include <torch/csrc/dynamo/compiled_autograd.h>
#if __has_include(<sys/mman.h>)
#include <sys/mman.h>
#endif

namespace {

using at::Tensor;
namespace py = pybind11;
namespace autograd = torch::autograd;
namespace compiled = torch::dynamo::autograd;
using Tensors = c10::SmallVector<Tensor, 12>;

// Fields of an rf_problem. A sequence and the states that go with it stand together, and so do tables of parameters.
// clang-format off
#define RECORD(_)                                                          \
  _(x) _(h0) _(c0) _(y) _(h_n) _(c_n) _(dy) _(dh_n) _(dc_n) _(dx) _(dh0) _(dc0) \
  _(weight_ih) _(weight_hh) _(bias_ih) _(bias_hh) _(weight_hr)             \
  _(d_weight_ih) _(d_weight_hh) _(d_bias_ih) _(d_bias_hh) _(d_weight_hr)   \
  _(x_stride_t) _(x_stride_b) _(reserve) _(workspace) _(dropout_seed)
// clang-format on
#define NUMBER(name) name,
#define NAME(name) #name,
namespace field {
enum : int { RECORD(NUMBER) COUNT };
}
const char *const NAMES[] = {RECORD(NAME)};
#ifdef __clang__
const char *const COMPILER = __VERSION__;
#else
const char *const COMPILER = "GCC " __VERSION__;
#endif
constexpr size_t ALIGNMENT = 64, KEPT_SCRATCH = 64 << 20, HUGE_FROM = 4 << 20;

// What Python tells once: where the library's functions and a record's fields are, and what refusals say.
struct Library {
  int32_t (*forward)(const void *) = nullptr, (*backward)(const void *) = nullptr;
  size_t offsets[field::COUNT] = {};
  std::string no_transforms, not_twice, not_dense;
} library;

// An rf_problem for one call, and the tables that it points to.
struct Record {
  alignas(ALIGNMENT) char bytes[1024];
  c10::SmallVector<const void *, 12> parameters, gradients;

  Record() = default;
  Record(const Record &) = delete; // which would point into the other
  template <class Value> void set(int number, Value value) {
    std::memcpy(bytes + library.offsets[number], &value, sizeof value);
  }
  void set(int number, const Tensor &tensor) { set(number, tensor.defined() ? tensor.const_data_ptr() : nullptr); }
};

// What a tensor has to be: all but where it lies and its numbers.
struct Expected {
  std::vector<int64_t> sizes, strides;
  at::ScalarType dtype;
  bool requires_grad;
  c10::DispatchKeySet keys; // with what PyTorch adds and leaves out at the time: transforms, autocast, tracing, ...

  static c10::DispatchKeySet keys_of(const Tensor &tensor) {
    const auto local = c10::impl::tls_local_dispatch_key_set();
    return (tensor.key_set() | local.included_) - local.excluded_;
  }
  explicit Expected(const Tensor &tensor)
      : sizes(tensor.sizes().vec()), strides(tensor.strides().vec()), dtype(tensor.scalar_type()),
        requires_grad(tensor.requires_grad()), keys(keys_of(tensor)) {}
  bool is_of(const Tensor &tensor) const {
    return keys_of(tensor) == keys && tensor.scalar_type() == dtype && tensor.requires_grad() == requires_grad &&
           tensor.sizes() == sizes && tensor.strides() == strides;
  }
  // The same of data that may have been replaced since the forward, which read them whatever autograd thinks of them.
  bool is_read_from(const Tensor &tensor, bool rows_apart) const {
    return tensor.scalar_type() == dtype && tensor.is_cpu() && !tensor.is_neg() && tensor.sizes() == sizes &&
           (tensor.is_contiguous() || (rows_apart && tensor.stride(-1) == 1));
  }
};

Tensor made(at::IntArrayRef sizes, at::ScalarType dtype) {
  Tensor tensor{at::detail::empty_cpu(sizes, dtype)};
#ifdef MADV_HUGEPAGE
  if (tensor.nbytes() >= HUGE_FROM) { // as NumPy does: far fewer pages to be brought in one by one
    const auto from = reinterpret_cast<uintptr_t>(tensor.const_data_ptr()), first = (from + 4095) / 4096 * 4096;
    madvise(reinterpret_cast<void *>(first), from + tensor.nbytes() - first, MADV_HUGEPAGE);
  }
#endif
  return tensor;
}

void *aligned(const Tensor &bytes) {
  const auto from = reinterpret_cast<uintptr_t>(bytes.const_data_ptr());
  return reinterpret_cast<void *>((from + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
}
Tensor made_bytes(size_t size) { return made({static_cast<int64_t>(size + ALIGNMENT)}, at::kByte); }

py::object object_of(const Tensor &tensor) { return py::reinterpret_steal<py::object>(THPVariable_Wrap(tensor)); }

// This thread's scratch memory, kept from call to call unless it is large.
Tensor scratch(size_t size) {
  thread_local Tensor kept;
  if (kept.defined() && kept.nbytes() >= size + ALIGNMENT) return kept;
  Tensor bytes = made_bytes(size);
  if (size <= KEPT_SCRATCH) kept = bytes;
  return bytes;
}

// Has Python put into words what is wrong, and throws that.
[[noreturn]] void raise(const c10::SafePyObject &words, const py::object &about) {
  Py_XDECREF(PyObject_CallOneArg(words.ptr(getPyInterpreter()), about.ptr()));
  python_error error;
  error.persist();
  throw error;
}

std::vector<int64_t> numbers(const py::handle &sequence) {
  std::vector<int64_t> found;
  for (const py::handle &number : sequence) found.push_back(number.cast<int64_t>());
  return found;
}

c10::SafePyObject kept(const py::object &object) { return {object.inc_ref().ptr(), getPyInterpreter()}; }

// A record but for its arrays, and the bytes of scratch that it takes.
struct Prepared {
  explicit Prepared(const py::handle &pair)
      : record(pair[py::int_(0)].cast<std::string>()), scratch(pair[py::int_(1)].cast<size_t>()) {}
  std::string record; // empty where the form has none
  size_t scratch;
};

// A form of call, as Python names it: how it runs, and what its tensors, x, states and parameters, are expected to be.
struct Plan {
  explicit Plan(const py::dict &given);
  Tensors run(const Tensors &inputs, Tensor &reserve, uint64_t seed) const;
  autograd::variable_list gradients(const autograd::variable_list &inputs, const Tensor &reserve, uint64_t seed,
                                    const std::vector<bool> &needed, const autograd::variable_list &given,
                                    bool keep) const;
  void fill(Record &record, const Prepared &from, at::TensorList inputs, const Tensor &reserve, uint64_t seed) const;
  void set_table(Record &record, int first, const c10::SmallVectorImpl<const void *> &arrays) const;
  void check(int32_t status) const;
  void check(const autograd::variable_list &inputs) const;

  Prepared forward, backward, keeping;
  bool recorded, two_states, one_step;
  size_t reserve_bytes;
  int64_t states; // given with a call, 0 for zeros
  int64_t x_axis_t, x_axis_b; // -1: x has none
  std::vector<int64_t> tables, order; // which tables of parameters there are, and the parameters that stand in them
  std::vector<int64_t> y_sizes;
  std::vector<std::vector<int64_t>> state_sizes; // all of them, given or not
  std::vector<Expected> expected;
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

void Plan::check(int32_t status) const {
  if (status == 0) return;
  py::gil_scoped_acquire gil;
  raise(refuse, py::int_(status));
}

void Plan::set_table(Record &record, int first, const c10::SmallVectorImpl<const void *> &arrays) const {
  for (size_t n = 0; n < tables.size(); n++) {
    record.set(first + tables[n], arrays.data() + n * (order.size() / tables.size()));
  }
}

void Plan::fill(Record &record, const Prepared &from, at::TensorList inputs, const Tensor &reserve,
                uint64_t seed) const {
  std::memcpy(record.bytes, from.record.data(), from.record.size());
  for (int64_t n = 0; n <= states; n++) record.set(field::x + n, inputs[n]);
  if (const Tensor &x = inputs[0]; !x.is_contiguous()) {
    if (x_axis_t >= 0) record.set(field::x_stride_t, x.stride(x_axis_t));
    if (x_axis_b >= 0) record.set(field::x_stride_b, x.stride(x_axis_b));
  }
  for (const int64_t n : order) record.parameters.push_back(inputs[1 + states + n].const_data_ptr());
  set_table(record, field::weight_ih, record.parameters);
  record.set(field::reserve, reserve.defined() ? aligned(reserve) : nullptr);
  record.set(field::dropout_seed, seed);
}

// y and the final states; the reserve as well where the form has one.
Tensors Plan::run(const Tensors &inputs, Tensor &reserve, uint64_t seed) const {
  Tensors results{made(y_sizes, expected[0].dtype)};
  for (const auto &sizes : state_sizes) results.push_back(made(sizes, expected[0].dtype));
  if (!backward.record.empty()) reserve = made_bytes(reserve_bytes);
  const Tensor memory = scratch(forward.scratch);
  Record record;
  fill(record, forward, inputs, reserve, seed);
  record.set(field::workspace, aligned(memory));
  for (size_t n = 0; n < results.size(); n++) record.set(field::y + n, results[n]);
  int32_t status;
  {
    py::gil_scoped_release others_run;
    status = library.forward(record.bytes);
  }
  check(status);
  return results;
}

// Data of another form may stand under the inputs of a call since then.
void Plan::check(const autograd::variable_list &inputs) const {
  bool fit = true;
  for (size_t n = 0; n < inputs.size(); n++) fit = fit && expected[n].is_read_from(inputs[n], n == 0);
  if (fit) return;
  py::gil_scoped_acquire gil;
  py::list tensors;
  for (const Tensor &tensor : inputs) tensors.append(object_of(tensor));
  raise(misfit, tensors);
}

bool are_undefined(const autograd::variable_list &tensors) {
  return std::none_of(tensors.begin(), tensors.end(), [](const Tensor &tensor) { return tensor.defined(); });
}

// Gradients of the inputs from those of the results, where `needed`: of x, of the states, of the parameters.
autograd::variable_list Plan::gradients(const autograd::variable_list &inputs, const Tensor &reserve, uint64_t seed,
                                        const std::vector<bool> &needed, const autograd::variable_list &given,
                                        bool keep) const {
  check(inputs);
  const size_t parameters = 1 + states;
  autograd::variable_list found(inputs.size()), dense;
  for (const Tensor &gradient : given) {
    const c10::DispatchKeySet batches({c10::DispatchKey::Batched, c10::DispatchKey::FuncTorchBatched});
    if (gradient.defined() && gradient.key_set().has_any(batches)) throw std::runtime_error(library.no_transforms);
    if (gradient.defined() && gradient.layout() != at::kStrided) throw std::runtime_error(library.not_dense);
    dense.push_back(gradient.defined() ? gradient.resolve_neg().contiguous() : gradient);
  }
  for (size_t n = 0; n < inputs.size(); n++) {
    if (needed[n == 0 ? 0 : n < parameters ? 1 : 2]) found[n] = made(expected[n].sizes, expected[n].dtype);
  }
  const Prepared &prepared = keep ? keeping : backward;
  const Tensor memory = scratch(prepared.scratch);
  Record record;
  fill(record, prepared, inputs, reserve, seed);
  record.set(field::workspace, aligned(memory));
  for (size_t n = 0; n < dense.size(); n++) record.set(field::dy + n, dense[n]);
  for (size_t n = 0; n < parameters; n++) record.set(field::dx + n, found[n]);
  if (needed[2]) {
    for (const int64_t n : order) record.gradients.push_back(found[parameters + n].const_data_ptr());
    set_table(record, field::d_weight_ih, record.gradients);
  }
  check(library.backward(record.bytes));
  return found;
}

// The derivative of one call.
struct Recurrence : autograd::Node {
  std::shared_ptr<const Plan> plan;
  std::vector<autograd::SavedVariable> inputs;
  Tensor reserve;
  c10::IValue seed; // an integer, as compiled autograd has those that are others in every call

  Recurrence(autograd::edge_list &&edges, std::shared_ptr<const Plan> plan, Tensor reserve, uint64_t seed)
      : Node(std::move(edges)), plan(std::move(plan)), reserve(std::move(reserve)), seed(static_cast<int64_t>(seed)) {}
  std::string name() const override { return "RecurrenceBackward"; }
  void release_variables() override;
  autograd::variable_list apply(autograd::variable_list &&given) override;
  void compiled_args(compiled::CompiledNodeArgs &args) const override;
  autograd::variable_list apply_with_saved(const autograd::variable_list &given,
                                           compiled::SwapSavedVariables &saved) override;
  autograd::variable_list unpacked() const;
  std::vector<bool> needed() const;
};

void Recurrence::release_variables() {
  std::lock_guard<std::mutex> lock(mutex_);
  for (auto &input : inputs) input.reset_data();
  reserve.reset();
}

// The inputs, which nobody changed in place.
autograd::variable_list Recurrence::unpacked() const {
  autograd::variable_list found;
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

autograd::variable_list Recurrence::apply(autograd::variable_list &&given) {
  std::lock_guard<std::mutex> lock(mutex_);
  const bool again = at::GradMode::is_enabled(); // gradients of gradients may be asked for
  c10::AutoGradMode unrecorded(false);
  if (are_undefined(given)) return autograd::variable_list(inputs.size());
  const auto kept = unpacked();
  const bool keep = autograd::get_current_graph_task_keep_graph();
  autograd::variable_list found = plan->gradients(kept, reserve, seed.toInt(), needed(), given, keep);
  if (!again) return found;
  autograd::edge_list edges;
  for (const auto &tensors : {given, kept}) {
    for (const Tensor &tensor : tensors) {
      if (tensor.defined() && tensor.requires_grad()) edges.push_back(autograd::impl::gradient_edge(tensor));
    }
  }
  if (edges.empty()) return found;
  auto error = c10::make_intrusive<autograd::Error>(library.not_twice, std::move(edges));
  autograd::set_history(found, error);
  return found;
}

// Compiled autograd traces a backward as calls of functions. What it made is used again where these constants are the
// same, on the tensors and numbers of then. The plan lives as long as what was made, so that its address is one.
void Recurrence::compiled_args(compiled::CompiledNodeArgs &args) const {
  args.collect(static_cast<uint64_t>(reinterpret_cast<uintptr_t>(plan.get())));
  args.collect(needed());
  args.collect(inputs, false);
  args.collect(reserve);
  args.collect(seed);
}

// The call as it traces that, of a function that is to be run as it is.
autograd::variable_list Recurrence::apply_with_saved(const autograd::variable_list &given,
                                                     compiled::SwapSavedVariables &saved) {
  using Metadata = std::vector<std::optional<autograd::InputMetadata>>;
  saved.before(inputs);
  saved.before(reserve);
  saved.before(seed);
  const std::vector<c10::IValue> args{c10::IValue(unpacked()), reserve, seed};
  const std::vector<at::TypePtr> types{at::ListType::ofTensors(), at::TensorType::get(), at::IntType::get()};
  const auto run = [plan = plan, needed = needed()](const autograd::variable_list &given,
                                                    const std::vector<c10::IValue> &args) {
    py::gil_scoped_release others_run;
    c10::AutoGradMode unrecorded(false);
    const auto inputs = args[0].toTensorVector();
    if (are_undefined(given)) return autograd::variable_list(inputs.size());
    return plan->gradients(inputs, args[1].toTensor(), args[2].toInt(), needed, given, true);
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

// Has autograd find the way from results to inputs.
void attach(const std::shared_ptr<const Plan> &plan, const Tensors &inputs, const Tensors &results, Tensor reserve,
            uint64_t seed) {
  autograd::edge_list edges;
  for (const Tensor &input : inputs) {
    edges.push_back(input.requires_grad() ? autograd::impl::gradient_edge(input) : autograd::Edge());
  }
  auto node = c10::make_intrusive<Recurrence>(std::move(edges), plan, std::move(reserve), seed);
  node->inputs.reserve(inputs.size());
  for (const Tensor &input : inputs) node->inputs.emplace_back(input, false);
  for (const Tensor &result : results) autograd::set_history(result, node);
}

using Shared = std::shared_ptr<const Plan>;
const char *const CAPSULE = "rnnfast.Plan";

// run(plan, x, hx, parameters): what the module's class would return, or None where the call is another than the
// plan's, or somebody asks for what is saved. `parameters`: a dict, whose None do not count.
PyObject *run(PyObject *, PyObject *const *arguments, Py_ssize_t) {
  HANDLE_TH_ERRORS
  const auto *shared = static_cast<Shared *>(PyCapsule_GetPointer(arguments[0], CAPSULE));
  if (shared == nullptr) return nullptr;
  const Plan &plan = **shared;
  Tensors inputs;
  const auto take = [&](PyObject *object) {
    if (inputs.size() == plan.expected.size() || !THPVariable_CheckExact(object)) return false;
    const Tensor &tensor = THPVariable_Unpack(object);
    if (!plan.expected[inputs.size()].is_of(tensor)) return false;
    inputs.push_back(tensor);
    return true;
  };
  bool same = take(arguments[1]);
  if (PyObject *hx = arguments[2]; same && hx != Py_None) {
    if (!plan.two_states) {
      same = take(hx);
    } else {
      same = PyTuple_CheckExact(hx) || PyList_CheckExact(hx);
      for (Py_ssize_t n = 0; same && n < PySequence_Fast_GET_SIZE(hx); n++)
        same = take(PySequence_Fast_GET_ITEM(hx, n));
    }
  }
  PyObject *key, *value;
  for (Py_ssize_t n = 0; same && PyDict_Next(arguments[3], &n, &key, &value);) same = value == Py_None || take(value);
  if (!same || inputs.size() != plan.expected.size()) Py_RETURN_NONE;
  if (plan.recorded && at::SavedTensorDefaultHooks::get_hooks()) Py_RETURN_NONE;
  uint64_t seed = 0;
  if (PyObject *draw = plan.draw.ptr(getPyInterpreter()); draw != Py_None) {
    seed = py::reinterpret_borrow<py::object>(draw)().cast<uint64_t>();
  }
  Tensor reserve;
  RECORD_FUNCTION("Recurrence", c10::ArrayRef<const c10::IValue>{});
  const Tensors results = plan.run(inputs, reserve, seed);
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
