/* pairs.h - layers whose products round their operands to bfloat16 (product/pairs.h): weights packed, rows rounded. */
#ifndef RF_LAYER_PAIRS_H
#define RF_LAYER_PAIRS_H

#include <stdint.h>
#include RF_VEC_H
#include RF_CELL_H
#include "layer/layer.h"
#include "layer/matrices.h"
#include "layer/rows.h"
#include "product/pairs.h"
#include "product/product.h"
#include "system/arena.h"

/* Kernels of float64 have no such layers: nothing here is called. */
#if RF_REAL_BITS == 32
static const struct rf_pairs *const pairs = &RF_PAIRS_NAME;
#else
static const struct rf_pairs no_pairs;
static const struct rf_pairs *const pairs = &no_pairs;
#endif

/* Rows of pairs in scratch memory. */
struct pair_rows {
  real *base;
  int64_t stride;
};

static inline struct pair_rows pair_rows_take(struct arena *arena, int64_t rows, int64_t numbers) {
  const int64_t lines = rf_blocks(pairs_of(numbers), sizeof(real)), stride = rf_row_stride(lines, sizeof(real));
  return (struct pair_rows){take_reals(arena, rows * stride), stride};
}

/* Rounds the rows of `a` into `to`, where those of `row` then point; `row` may be those of `a`. */
static struct rows rows_rounded(struct rows a, struct pair_rows to, const real **row) {
  const int64_t size = pairs_of(a.size);
  for (int64_t i = 0; i < a.count; i++) {
    const real *from = a.row[i];
    row[i] = to.base + i * to.stride;
    for (int64_t s = 0; s < a.segments; s++) pairs->rounded(from + s * a.stride, a.size, (real *)row[i] + s * size);
  }
  return (struct rows){row, a.count, a.segments, size, size};
}

/* This worker's share of a matrix whose rows are summed with those of inputs or states, which come in segments. */
static void pack_pairs(const struct rf_layer *l, struct weights w, int64_t segments, real *to) {
  const int64_t size = w.columns / segments, lines = pairs_of(size);
  const int64_t panels = panels_of(w.hidden), end = rf_share(panels, l->worker + 1, l->workers);
  for (int64_t panel = rf_share(panels, l->worker, l->workers); panel < end; panel++) {
    for (int g = 0; g < w.gates; g++) {
      const real *row = w.base + (w.gate[g] * w.hidden + panel * VEC_LANES) * w.columns;
      real *vector = to + (panel * w.gates + g) * segments * lines * VEC_LANES;
      for (int64_t s = 0; s < segments; s++, row += size, vector += lines * VEC_LANES) {
        pairs->columns(row, w.columns, w.hidden - panel * VEC_LANES, size, vector);
      }
    }
  }
}

/* The same of one whose columns are summed with rows of gradients, `width` numbers each. A block of units at a time over
 * all panels, so that W is read as it lies. */
static void pack_pairs_transposed(const struct rf_layer *l, struct weights w, int64_t width, real *to) {
  const int64_t panels = panels_of(w.columns);
  const int64_t first = rf_share(panels, l->worker, l->workers), end = rf_share(panels, l->worker + 1, l->workers);
  const int64_t lines = pairs_of(width);
  for (int64_t k = 0; k < width; k += UNITS) {
    const int64_t slots = k / UNITS, unit = slots / w.gates * UNITS, count = width - k < UNITS ? width - k : UNITS;
    const real *row = w.base + (w.gate[slots % w.gates] * w.hidden + unit) * w.columns;
    for (int64_t panel = first; panel < end; panel++) {
      const int64_t column = panel * VEC_LANES;
      pairs->lines(row + column, w.columns, w.hidden - unit, count, w.columns - column,
                   to + (panel * lines + k / 2) * VEC_LANES);
    }
  }
}

/* A product whose operands are pairs where the layer has such. */
static void layer_product(const struct rf_layer *l, const struct product *p) {
  if (l->pairs) {
    pairs->product(&(struct product_pairs){*p, PAIRS_PLAIN});
  } else {
    product(p);
  }
}

#endif
