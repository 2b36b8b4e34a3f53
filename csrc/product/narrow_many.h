/* narrow_many.h - many rows times weights of a narrow type, some of which are widened at a time before all rows pass by. */
#ifndef RF_NARROW_MANY_H
#define RF_NARROW_MANY_H

#include <stdint.h>
#include RF_VEC_H
#include "product/gemm.h"
#include "product/narrow.h"
#include "product/operands.h"
#include "product/tile.h"
#include "system/compiler.h"
#include "vec/weights.h"

/* Numbers [from, to) of every column of a vector, which begin a line, as a product has them that widens nothing. */
INLINE void vector_widen(const int type, const struct product_narrow *p, int64_t vector, int64_t from, int64_t to,
                         real *room) {
  const int64_t size = p->a.size, lines = rf_weight_lines(size, type), step = strip_step(p, vector);
  for (int64_t k = from, stop; k < to; k = stop) {
    const int64_t segment = k / size, first = segment * size;
    const real *at = strip_lines(p, vector) + (segment * lines + rf_weight_lines(k - first, type)) * step;
    stop = first + size < to ? first + size : to;
    for (; k < stop; k += rf_weight_group(type), at += step) {
      UNROLL for (int j = 0; j < rf_weight_group(type); j++) {
        if (k + j < stop) v_store(room + (k + j - from) * VEC_LANES, weight_widened(type, at, j));
      }
    }
  }
}

static void widen_bf16(const void *source, int64_t vector, int64_t from, int64_t to, real *room) {
  vector_widen(RF_WEIGHT_BF16, source, vector, from, to, room);
}
static void widen_i8(const void *source, int64_t vector, int64_t from, int64_t to, real *room) {
  vector_widen(RF_WEIGHT_I8, source, vector, from, to, room);
}

INLINE void widened_tile(const int R, const int V, const void *job, const struct tile *at) {
  const struct product_narrow *p = job;
  const real *bias[TILE_ROWS_MOST];
  UNROLL for (int r = 0; r < R; r++) bias[r] = p->bias;
  real *const *to = p->to + at->row;
  const real *const *from = p->bias && at->first ? bias : p->overwrite && at->first ? NULL : (const real *const *)to;
  struct sums sums = {from, to, .columns = V * VEC_LANES};
  narrow_offsets(p, at->panel, V, sums.offset);
  if (p->type == RF_WEIGHT_I8) sums.scale = p->scale + at->panel * VEC_LANES;
  tile_multiply(R, V, 1, &sums, at, &p->a, 1);
}

TILE_FUNCTIONS(widened_tile, 1)

static void many_rows(const struct product_narrow *p) {
  const struct panels panels = {NULL, p->type == RF_WEIGHT_BF16 ? widen_bf16 : widen_i8, p, p->room};
  tiles_run(&widened_tile_family, &p->a, p->part, &panels, p->first, p->end, p->cache, p);
}

#endif
