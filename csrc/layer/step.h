/* step.h - one layer in one direction as a single step has it: the record that whoever owns a net makes once, and that
 * the step kernels read from then on. */
#ifndef RF_STEP_H
#define RF_STEP_H

#include <stddef.h>
#include <stdint.h>

#include "layer/layer.h"

/* Strides count numbers. A row of a state has whole blocks of units, hidden_size numbers and then zeros: rf_step_state. */
struct rf_step {
  int64_t input_size, hidden_size;
  int64_t x_stride, y_stride, state_stride; /* from one row of the batch to the next */
  const void *weight_ih, *weight_hh, *bias_ih,
      *bias_hh; /* as PyTorch has them, biases may be NULL; read by pack alone */
  void *packed; /* step_bytes, at a multiple of RF_LINE: written by pack, read by run */
  int32_t weights; /* the type that `packed` keeps them in, of vec/weight_types.h */
};

/* Numbers from one row of a state to the next. */
static inline int64_t rf_step_state(int64_t hidden, size_t size) {
  return rf_row_stride(rf_blocks(hidden, size), size);
}

/* The new state of every row of `batch` from x, in place in h (and c, or NULL), and a copy of h in y, unless that is NULL.
 * h, c and workspace are at multiples of RF_LINE; x is not y, h or c of the same layer. Nothing is checked; subnormals are
 * flushed if the caller set that mode (system/cpu.h). `turn` counts the rows that made a
 * step before: one after the other goes through the weights in opposite orders, so that an L1 smaller than these still has
 * the last ones. */
typedef void rf_step_run(const struct rf_step *step, int64_t batch, const void *x, void *y, void *h, void *c,
                         int64_t turn, void *workspace);

#endif
