/* product.c - C += A B over gemm.h's tile; compiled per number type and instruction set. */
#include RF_VEC_H

#include "gemm.h"

INLINE void product_tile(const int R, const int V, const void *job, const struct tile *at) {
  const struct product *p = job;
  const int64_t panel_size = rows_width(&p->a) * VEC_LANES;
  vec acc[ACCUMULATORS];
  UNROLL for (int n = 0; n < R * V; n++) acc[n] = v_set1(0);
  tile_multiply(R, V, 1, acc, at, p->a.row + at->row, p->a_step, p->a.stride, p->b + at->panel * panel_size,
                panel_size);
  const int overwrite = p->overwrite && at->first;
  const int64_t column = at->panel * VEC_LANES;
  const int full = column + V * VEC_LANES <= p->columns;
  UNROLL for (int r = 0; r < R; r++) {
    real *c = p->c[at->row + r];
    UNROLL for (int v = 0; v < V; v++) {
      real *to = c + column + v * VEC_LANES;
      const int64_t left = p->columns - column - v * VEC_LANES;
      if (full) {
        v_store(to, overwrite ? acc[r * V + v] : v_add(v_load(to), acc[r * V + v]));
      } else {
        v_store_n(to, left, overwrite ? acc[r * V + v] : v_add(v_load_n(to, left), acc[r * V + v]));
      }
    }
  }
}

TILE_FUNCTIONS(product_tile, 1)

void RF_PRODUCT_NAME(const struct product *p) {
  struct tile at = {0};
  const int64_t panels = (p->columns + VEC_LANES - 1) / VEC_LANES;
  while (next_part(&p->a, SUM_BLOCK, &at)) tiles_run(&product_tile_family, p->a.count, panels, p, at);
}
