// expected.h - what a tensor has to be for a plan to hold: all but where it lies and its numbers.
#ifndef RNNFAST_BRIDGE_EXPECTED_H
#define RNNFAST_BRIDGE_EXPECTED_H

#include <ATen/core/Tensor.h>
#include <c10/core/DispatchKeySet.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <cstdint>
#include <vector>

namespace {

struct Expected {
  std::vector<int64_t> sizes, strides;
  at::ScalarType dtype;
  bool requires_grad;
  c10::DispatchKeySet keys; // with what PyTorch adds and leaves out at the time: transforms, autocast, tracing, ...

  static c10::DispatchKeySet keys_of(const at::Tensor &tensor) {
    const auto local = c10::impl::tls_local_dispatch_key_set();
    return (tensor.key_set() | local.included_) - local.excluded_;
  }
  explicit Expected(const at::Tensor &tensor)
      : sizes(tensor.sizes().vec()), strides(tensor.strides().vec()), dtype(tensor.scalar_type()),
        requires_grad(tensor.requires_grad()), keys(keys_of(tensor)) {}
  bool is_of(const at::Tensor &tensor) const {
    return keys_of(tensor) == keys && tensor.scalar_type() == dtype && tensor.requires_grad() == requires_grad &&
           tensor.sizes() == sizes && tensor.strides() == strides;
  }
  // The same of data that may have been replaced since the forward, which read them whatever autograd thinks of them.
  bool is_read_from(const at::Tensor &tensor, bool rows_apart) const {
    return tensor.scalar_type() == dtype && tensor.is_cpu() && !tensor.is_neg() && tensor.sizes() == sizes &&
           (tensor.is_contiguous() || (rows_apart && tensor.stride(-1) == 1));
  }
};

} // namespace

#endif
