/* functions.h - what the vector mathematics of one (number type, instruction set) offers to api/. */
#ifndef RF_FUNCTIONS_H
#define RF_FUNCTIONS_H

#include <stdint.h>

/* The element-wise functions of one (number type, instruction set): vmath.c compiled once for each. */
struct rf_math {
  const char *isa;
  int32_t dtype;
  void (*function[3])(int64_t n, const void *x, void *y); /* by RF_EXP, RF_TANH, RF_LOGISTIC */
  double (*fma_loop)(int64_t rounds);                     /* returns the flops it did */
  double (*read_loop)(int64_t bytes, const void *data, int64_t rounds); /* returns the bytes it read */
};

#endif
