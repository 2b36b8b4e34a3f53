/* strip.h - one row by a few panels, sums that stay in registers: the products, and the cell on them. */
#ifndef RF_STRIP_H
#define RF_STRIP_H

#include <stddef.h>
#include <stdint.h>
#include RF_VEC_H
#include RF_CELL_H
#include "product/tile.h"
#include "system/compiler.h"

#define STRIP_SUMS (VEC_REGISTERS == 32 ? 8 : ACCUMULATORS)
#define STRIP_MOST (STRIP_SUMS / CELL_GATES < 8 ? STRIP_SUMS / CELL_GATES : 8)

/* Where a row's states stand; y may be NULL, and the new states where the old ones are. */
struct strip_row {
  const real *h, *c;
  real *h_next, *c_next, *operand_next, *y;
  int64_t units;
};

/* sums[v][slot + g] += the products of a row and V panels' gates, part by part. From one number of the row to the next
 * weights are `step` apart, from panel to panel `panel_size`. Returns where the number after the last one's would be. */
INLINE const real *strip_multiply(const int V, const int G, const int slot, const real *row, int64_t width,
                                  int64_t part, const real *w, ptrdiff_t step, ptrdiff_t panel_size, vec *sums) {
  for (int64_t k = 0, end; k < width;) {
    vec acc[STRIP_MOST * CELL_GATES];
    UNROLL for (int n = 0; n < V * G; n++) acc[n] = v_set1(0);
    for (end = k + part < width ? k + part : width; k < end; k++, w += step) {
      const vec left = v_set1(row[k]);
      UNROLL for (int n = 0; n < V * G; n++) {
        acc[n] = v_fma(left, v_load(w + n / G * panel_size + n % G * VEC_LANES), acc[n]);
      }
    }
    UNROLL for (int n = 0; n < V * G; n++) {
      vec *sum = sums + n / G * CELL_SLOTS + slot + n % G;
      *sum = v_add(*sum, acc[n]);
    }
  }
  return w;
}

/* The cell on a strip's sums, stage by stage on all panels, so that what one must wait for overlaps with the others. */
INLINE void strip_cell(const int phase, const int V, const struct strip_row *row, int64_t unit, vec *sums) {
  struct past past[STRIP_MOST];
  struct next next[STRIP_MOST];
  UNROLL for (int v = 0; v < V; v++) {
    past[v].h = past[v].h_dropped = v_load(row->h + unit + v * VEC_LANES);
    if (CELL_STATES > 1) past[v].c = v_load(row->c + unit + v * VEC_LANES);
  }
  UNROLL for (int stage = 0; stage < CELL_STAGES; stage++) {
    UNROLL for (int v = 0; v < V; v++) cell_forward(phase, stage, sums + v * CELL_SLOTS, &past[v], &next[v]);
  }
  UNROLL for (int v = 0; v < V; v++) {
    const int64_t at = unit + v * VEC_LANES, left = row->units - at;
    if (CELL_STATES > 1) v_store(row->c_next + at, next[v].c);
    if (phase + 1 < CELL_PHASES) {
      v_store(row->operand_next + at, next[v].operand);
      continue;
    }
    v_store(row->h_next + at, next[v].h);
    if (!row->y) continue;
    if (left >= VEC_LANES) {
      v_store(row->y + at, next[v].h);
    } else {
      v_store_n(row->y + at, left, next[v].h);
    }
  }
}

#endif
