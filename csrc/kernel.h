/* kernel.h - what one compiled kernel offers: the table through which api/ and net/ reach it. */
#ifndef RF_KERNEL_H
#define RF_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#include "layer/layer.h"
#include "layer/step.h"

/* What a single step takes. */
struct rf_step_calls {
  size_t (*bytes)(const struct rf_step *step); /* of `packed` */
  size_t (*workspace_bytes)(const struct rf_step *step); /* whatever the batch */
  void (*pack)(const struct rf_step *step);
  rf_step_run *run;
};

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
  int (*pairs)(void); /* which products of numbers rounded to bfloat16 there are, as `rounds`; NULL: none */
  int (*rounds)(int32_t weights, int64_t batch); /* which products round rows to that type; NULL: none */
  /* Of a single step, NULL for cells that project: a sequence of one step serves them. */
  struct rf_step_calls step, step_narrow; /* weights as they are; of narrow types, which float32 has */
};

static inline const struct rf_step_calls *rf_step_calls(const struct rf_kernel *kernel, const struct rf_step *step) {
  return step->weights == RF_WEIGHT_WHOLE ? &kernel->step : &kernel->step_narrow;
}

/* The better of two kernels for steps: `narrow`, of vectors half as wide, where `wide` would fill up every row with a tenth
 * of zeros or more. Bits are the same. `narrow` may be NULL. */
static inline const struct rf_kernel *rf_step_kernel(const struct rf_kernel *wide, const struct rf_kernel *narrow,
                                                     const struct rf_step *step) {
  if (!narrow || narrow->lanes * 2 != wide->lanes) return wide;
  return rf_step_calls(wide, step)->bytes(step) * 10 > rf_step_calls(narrow, step)->bytes(step) * 11 ? narrow : wide;
}

#endif
