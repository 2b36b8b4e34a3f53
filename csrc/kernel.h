/* kernel.h - what one compiled kernel offers: the tables through which dispatch.c and stack.c reach it. */
#ifndef RF_KERNEL_H
#define RF_KERNEL_H

#include "layer.h"
#include "rnnfast.h"

/* The layer kernels of one (cell, number type, instruction set): kernel.c compiled once for each. */
struct rf_kernel {
  const char *cell;
  const char *isa;
  int32_t dtype;
  struct rf_cell_shape shape;
  void (*pack)(const struct rf_layer *layer);
  void (*forward)(const struct rf_layer *layer);
  void (*backward)(const struct rf_layer *layer);
  size_t (*forward_bytes)(const struct rf_layer *layer); /* of a worker's scratch */
  size_t (*backward_bytes)(const struct rf_layer *layer);
  size_t (*forward_shared_bytes)(const struct rf_layer *layer);
  size_t (*backward_shared_bytes)(const struct rf_layer *layer);
};

/* The element-wise functions of one (number type, instruction set): vmath.c compiled once for each. */
struct rf_math {
  const char *isa;
  int32_t dtype;
  void (*function[3])(int64_t n, const void *x, void *y); /* by RF_EXP, RF_TANH, RF_LOGISTIC */
  double (*fma_loop)(int64_t rounds);                     /* returns the flops it did */
  double (*read_loop)(int64_t bytes, const void *data, int64_t rounds); /* returns the bytes it read */
};

#endif
