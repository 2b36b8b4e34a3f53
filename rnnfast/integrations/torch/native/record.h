// record.h - the library as the bridge reaches it: its two functions and the fields of an rf_problem, the record of a call.
#ifndef RNNFAST_BRIDGE_RECORD_H
#define RNNFAST_BRIDGE_RECORD_H

#include <ATen/core/Tensor.h>
#include <c10/util/SmallVector.h>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "memory.h"

namespace {

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

} // namespace

#endif
