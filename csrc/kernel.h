/* kernel.h - what one compiled kernel offers: the table through which api/ and net/ reach it. */
#ifndef RF_KERNEL_H
#define RF_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#include "layer/layer.h"
#include "layer/step.h"

/* The layer kernels of one (cell, number type, instruction set): kernel.c compiled once for each. */
struct rf_kernel {
  const char *cell;
  const char *isa;
  int32_t dtype;
  struct rf_cell_shape shape;
  void (*pack)(const struct rf_layer *layer);
  void (*forward)(struct rf_layer *layer);
  void (*backward)(struct rf_layer *layer);
  size_t (*forward_bytes)(const struct rf_layer *layer); /* of a worker's scratch */
  size_t (*backward_bytes)(const struct rf_layer *layer);
  size_t (*forward_shared_bytes)(const struct rf_layer *layer);
  size_t (*backward_shared_bytes)(const struct rf_layer *layer);
  int32_t lanes; /* numbers of a vector */
  /* Of a single step, NULL for cells that project: a sequence of one step serves them. */
  size_t (*step_bytes)(const struct rf_step *step); /* of `packed` */
  size_t (*step_workspace_bytes)(const struct rf_step *step); /* whatever the batch */
  void (*step_pack)(const struct rf_step *step);
  rf_step_run *step;
};

/* The better of two kernels for steps: `narrow`, of vectors half as wide, where `wide` would fill up every row with a tenth
 * of zeros or more. Bits are the same. `narrow` may be NULL. */
static inline const struct rf_kernel *rf_step_kernel(const struct rf_kernel *wide, const struct rf_kernel *narrow,
                                                     const struct rf_step *step) {
  if (!narrow || narrow->lanes * 2 != wide->lanes) return wide;
  return wide->step_bytes(step) * 10 > narrow->step_bytes(step) * 11 ? narrow : wide;
}

#endif
