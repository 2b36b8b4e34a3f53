/* operands.h - what a product multiplies: rows of A wherever they lie, and panels of B, [k][column] for a few columns. */
#ifndef RF_OPERANDS_H
#define RF_OPERANDS_H

#include <stdint.h>
#include RF_VEC_H

/* Rows of numbers somewhere in memory, each of `segments` stretches of `size` numbers, `stride` apart. */
struct rows {
  const real *const *row;
  int64_t count;
  int64_t segments, size, stride;
};

static inline int64_t rows_width(const struct rows *r) { return r->segments * r->size; }

/* B: all of its panels packed before, or, where this product alone uses them, some at a time as their turn comes, which
 * saves their way to memory and back. `pack` writes numbers [from, to) of every column of a panel. */
struct panels {
  const real *packed;
  void (*pack)(const void *source, int64_t panel, int64_t from, int64_t to, real *room); /* NULL: packed before */
  const void *source;
  real *room; /* for room_numbers */
};

#endif
