/* head.h - what may stand above a net's layers, row by row: linear layers and activations, per number type and
 * instruction set. */
#ifndef RF_HEAD_H
#define RF_HEAD_H

#include <stddef.h>
#include <stdint.h>

#include "system/cpu.h"

/* A linear layer whose weights were rearranged once. */
struct rf_linear {
  int64_t inputs, outputs;
  const void *packed;
  struct rf_cache cache;
};

typedef void rf_activate(int64_t n, const void *x, void *y); /* on a row of n numbers; y may be x */

/* The functions of one (number type, instruction set): head.c compiled once for each. */
struct rf_head {
  const char *isa;
  int32_t dtype;
  int64_t (*linear_numbers)(int64_t inputs, int64_t outputs); /* that `pack` writes */
  void (*pack)(int64_t inputs, int64_t outputs, const void *weight, const void *bias, void *packed);
  void (*linear)(const struct rf_linear *linear, const void *const *x, void *const *y, int64_t rows);
  rf_activate *activation[5]; /* from RF_HEAD_TANH on */
};

#endif
