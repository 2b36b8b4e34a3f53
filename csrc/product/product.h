/* product.h - C += A B, compiled once for each number type and instruction set: all cells share it. */
#ifndef RF_PRODUCT_H
#define RF_PRODUCT_H

#include <stddef.h>
#include <stdint.h>
#include RF_VEC_H
#include "product/operands.h"
#include "system/cpu.h"

/* C += A B, or C = A B, on columns from panel `first` up to `columns`; others are neither read nor written. */
struct product {
  struct rows a;
  ptrdiff_t a_step; /* between numbers of a row that follow one another */
  int64_t part; /* numbers that one chain sums */
  struct panels b; /* of one vector: [panel][k][lane] */
  real *const *c;
  int64_t first, columns;
  const struct rf_cache *cache;
  int overwrite;
};

void RF_PRODUCT_NAME(const struct product *p);

static inline void product(const struct product *p) { RF_PRODUCT_NAME(p); }

#endif
