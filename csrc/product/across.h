/* across.h - a few rows of A times rows of W as they lie in memory, which pass by from end to end: what a single product uses
 * is read once and written nowhere. */
#ifndef RF_ACROSS_H
#define RF_ACROSS_H

#include <stddef.h>
#include <stdint.h>
#include RF_VEC_H
#include "product/operands.h"
#include "product/product.h"
#include "product/tile.h"
#include "system/arena.h"
#include "system/compiler.h"

/* acc[r] += row[r][k] times V vectors of a row of W, `left` numbers of which are there, or with V = 1 may be fewer. */
INLINE void across_step(const int R, const int V, vec *acc, const real *const *row, int64_t k, const real *w,
                        int64_t left) {
  if (V > 1) {
    tile_step(R, V, 1, acc, row, k, w, VEC_LANES);
    return;
  }
  const vec right = v_load_n(w, left);
  UNROLL for (int r = 0; r < R; r++) acc[r] = v_fma(v_set1(row[r][k]), right, acc[r]);
}

/* The same for numbers [from, to) of rows, of which `from` is number `first` of what A has. Rows that W lacks count as zeros. */
INLINE void across_stretch(const int R, const int V, const struct product_across *p, int64_t column, int64_t first,
                           const real *const *row, int64_t from, int64_t to, vec *acc) {
  enum { LINE = RF_LINE / (int)sizeof(real) }; /* units of one gate that follow one another */
  for (int64_t i = from, end; i < to; i = end) {
    const uint32_t line = (uint32_t)(first + i - from) / LINE, gates = (uint32_t)p->gates;
    const int64_t unit = (int64_t)(line / gates) * LINE, there = p->hidden - unit < LINE ? p->hidden - unit : LINE;
    const real *w = p->w + (p->gate[line % gates] * p->hidden + unit) * p->columns + column;
    end = i + LINE < to ? i + LINE : to;
    const int64_t stop = i + there < end ? i + there : end;
    for (int64_t k = i; k < stop; k++, w += p->columns) across_step(R, V, acc, row, k, w, p->columns - column);
    if (stop == end) continue;
    UNROLL for (int n = 0; n < R * V; n++) acc[n] = v_add(acc[n], v_set1(0));
  }
}

/* V vectors of the product from `column` on, part by part, as a tile of packed panels has it (tile.h). */
INLINE void across_columns(const int R, const int V, const struct product_across *p, int64_t column) {
  const struct rows *a = &p->product->a;
  real *const *c = p->product->c;
  const int64_t part = p->product->part, group = a->size > 0 && a->size < part ? part / a->size : 1;
  const int64_t left = p->product->columns - column;
  const real *row[FEW_ROWS];
  int added = !p->product->overwrite;
  for (int64_t segment = 0, end; segment < a->segments; segment = end) {
    end = segment + group < a->segments ? segment + group : a->segments;
    for (int64_t from = 0, to; from < a->size; from = to) {
      to = from + part < a->size ? from + part : a->size;
      vec acc[ACCUMULATORS];
      UNROLL for (int n = 0; n < R * V; n++) acc[n] = v_set1(0);
      for (int64_t s = segment; s < end; s++) {
        UNROLL for (int r = 0; r < R; r++) row[r] = a->row[r] + s * a->stride;
        across_stretch(R, V, p, column, s * a->size + from, row, from, to, acc);
      }
      UNROLL for (int n = 0; n < R * V; n++) {
        real *sum = c[n / V] + column + n % V * VEC_LANES;
        if (V > 1) {
          v_store(sum, added ? v_add(v_load(sum), acc[n]) : acc[n]);
        } else {
          v_store_n(sum, left, added ? v_add(v_load_n(sum, left), acc[n]) : acc[n]);
        }
      }
      added = 1;
    }
  }
}

/* All columns, as many at a time as registers hold sums of. */
INLINE void across_multiply(const int R, const struct product_across *p) {
  enum { LANES = VEC_LANES };
  const int V = TILE_PANELS(R, 1);
  const int64_t columns = p->product->columns, whole = columns < p->columns ? columns : p->columns;
  int64_t column = p->product->first * LANES;
  for (; V > 1 && column + V * LANES <= whole; column += V * LANES) across_columns(R, V, p, column);
  for (; column < columns; column += LANES) across_columns(R, 1, p, column);
}

/* A function for every R, a constant, since only then does a compiler keep sums in registers. */
#define ACROSS_FUNCTION(R)                                                                                             \
  NOINLINE void across_##R(const struct product_across *p) { across_multiply(R, p); }
ACROSS_FUNCTION(1)
ACROSS_FUNCTION(2)
ACROSS_FUNCTION(3)
ACROSS_FUNCTION(4)
ACROSS_FUNCTION(5)
ACROSS_FUNCTION(6)
ACROSS_FUNCTION(7)
ACROSS_FUNCTION(8)
static void (*const across_functions[FEW_ROWS])(const struct product_across *p) = {
    across_1, across_2, across_3, across_4, across_5, across_6, across_7, across_8};

#endif
