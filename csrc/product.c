/* product.c - C += A B over gemm.h's tile; compiled per number type and instruction set. */
#include RF_VEC_H

#include "gemm.h"

INLINE void product_tile(const int R, const int V, const void *job, const struct tile *at) {
  const struct product *p = job;
  const int64_t panel_size = rows_width(&p->a) * VEC_LANES;
  const int64_t column = at->panel * VEC_LANES, left = p->columns - column;
  const int overwrite = p->overwrite && at->first, full = V * VEC_LANES <= left;
  real *const *c = p->c + at->row;
  vec sum[ACCUMULATORS];
  UNROLL for (int i = 0; i < R * V; i++) {
    const int v = i % V * VEC_LANES;
    const real *from = c[i / V] + column + v;
    sum[i] = overwrite ? v_set1(0) : full ? v_load(from) : v_load_n(from, left - v);
  }
  tile_multiply(R, V, 1, sum, at, &p->a, p->a_step, p->b, panel_size);
  UNROLL for (int i = 0; i < R * V; i++) {
    const int v = i % V * VEC_LANES;
    real *to = c[i / V] + column + v;
    if (full) {
      v_store(to, sum[i]);
    } else {
      v_store_n(to, left - v, sum[i]);
    }
  }
}

TILE_FUNCTIONS(product_tile, 1)

void RF_PRODUCT_NAME(const struct product *p) {
  tiles_run(&product_tile_family, &p->a, p->part, p->first, (p->columns + VEC_LANES - 1) / VEC_LANES, p->panel_bytes,
            p);
}
