// memory.h - the memory of new tensors and of scratch.
#ifndef RNNFAST_BRIDGE_MEMORY_H
#define RNNFAST_BRIDGE_MEMORY_H

#include <ATen/EmptyTensor.h>
#include <ATen/core/Tensor.h>
#include <c10/util/SmallVector.h>
#include <cstddef>
#include <cstdint>
#if __has_include(<sys/mman.h>)
#include <sys/mman.h>
#endif

namespace {

using at::Tensor;
using Tensors = c10::SmallVector<Tensor, 12>;

constexpr size_t ALIGNMENT = 64, KEPT_SCRATCH = 64 << 20, HUGE_FROM = 4 << 20;

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

Tensor made_bytes(size_t size) { return made({static_cast<int64_t>(size + ALIGNMENT)}, at::kByte); }

// The first address of such bytes that is a multiple of ALIGNMENT.
void *aligned(const Tensor &bytes) {
  const auto from = reinterpret_cast<uintptr_t>(bytes.const_data_ptr());
  return reinterpret_cast<void *>((from + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
}

// This thread's scratch memory, kept from call to call unless it is large.
Tensor scratch(size_t size) {
  thread_local Tensor kept;
  if (kept.defined() && kept.nbytes() >= size + ALIGNMENT) return kept;
  Tensor bytes = made_bytes(size);
  if (size <= KEPT_SCRATCH) kept = bytes;
  return bytes;
}

} // namespace

#endif
