/* product.h - C += A B, and for a few rows without packing B, compiled once for each number type and instruction set: all cells share it. */
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

/* Rows from which on packing W pays, even for a single product: fewer leave the ports of its shuffles idle. */
#define FEW_ROWS 8

/* to[r] = from[r] + A W^T, or without what stands in `from` where that is NULL, for as many rows of W as a vector has lanes:
 * numbers [offset, offset + VEC_LANES) of a row. Of W `w_rows` rows are there; the results of others are those of zeros. */
struct product_few {
  struct rows a; /* 1 to FEW_ROWS */
  int64_t part; /* numbers that one chain sums */
  const real *w;
  int64_t w_rows, w_stride; /* numbers from one to the next */
  const real *const *from;
  real *const *to;
  int64_t offset;
  real *keep; /* where columns of W go on the way, for later products; NULL: nowhere */
  int64_t keep_step; /* numbers from one to the next */
};

#define FEW_NAME_OF(name) name##_few
#define FEW_NAME(name) FEW_NAME_OF(name)
void FEW_NAME(RF_PRODUCT_NAME)(const struct product_few *p);

static inline void product_few(const struct product_few *p) { FEW_NAME(RF_PRODUCT_NAME)(p); }

/* A product of 1 to FEW_ROWS rows, all but B, and B's rows as they lie. Numbers of A come in lines of units (layer/layer.h): line n
 * is gate gate[n % gates] of units from n / gates lines on, and those units' rows of that gate are what it is multiplied
 * with; there are `hidden` for each gate. */
struct product_across {
  const struct product *product;
  const real *w;
  int64_t hidden, columns;
  const int *gate;
  int gates;
};

#define ACROSS_NAME_OF(name) name##_across
#define ACROSS_NAME(name) ACROSS_NAME_OF(name)
void ACROSS_NAME(RF_PRODUCT_NAME)(const struct product_across *p);

static inline void product_across(const struct product_across *p) { ACROSS_NAME(RF_PRODUCT_NAME)(p); }

#endif
