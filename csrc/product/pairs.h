/* pairs.h - products of numbers that are rounded to bfloat16 first, by processors that sum products of pairs by themselves:
 * twice as many at a time as of float32. Compiled once for each instruction set, all cells share it.
 *
 * Operands hold pairs (vec/pairs.h) of numbers whose products follow one another in a sum: rows of A as `rounded` leaves
 * them, panels of B in vectors, [vector][pair][lane]. An odd number is paired with zero. */
#ifndef RF_PRODUCT_PAIRS_H
#define RF_PRODUCT_PAIRS_H

#include <stdint.h>
#include RF_VEC_H
#include "product/product.h"

/* A product whose rows, sizes and panels count pairs. Vector n of a row of C: gate n % gates of panel n / gates, which is
 * slot `slot` + gate of a row of so many slots; of rows without gates all three are as in PAIRS_PLAIN. */
struct product_pairs {
  struct product of; /* its `part` is not read, nothing is packed late, and `b.room` is there */
  int gates, slot, slots;
  const real *bias; /* what sums begin with in place of C, a row as those of C; NULL: that */
};
#define PAIRS_PLAIN .gates = 1, .slot = 0, .slots = 1

static inline int64_t pairs_of(int64_t numbers) { return (numbers + 1) / 2; }

/* What an instruction set has of it. */
struct rf_pairs {
  int (*there)(void); /* which products the processor has, of narrow.h's: none, and nothing below may be called */
  void (*product)(const struct product_pairs *p);
  /* `count` numbers, rounded, as pairs of neighbours */
  void (*rounded)(const real *from, int64_t count, real *to);
  /* A vector of B from rows of W, each with its `count` numbers, as columns: as many as a vector has lanes, `rows` are there
   * and the others zeros. */
  void (*columns)(const real *w, int64_t stride, int64_t rows, int64_t count, real *to);
  /* The same from `count` rows as they are, `left` numbers of each: pairs of rows. */
  void (*lines)(const real *w, int64_t stride, int64_t rows, int64_t count, int64_t left, real *to);
  void (*lines_of)(const real *const *row, int64_t column, int64_t count, int64_t left, real *to);
  /* Numbers [first, end) of `count` rows as pairs of rows, [number][pair] */
  void (*rows_of)(const real *const *row, int64_t count, int64_t first, int64_t end, real *to);
};

#if RF_REAL_BITS == 32
extern const struct rf_pairs RF_PAIRS_NAME;
#endif

#endif
