/* product.c - C += A B; compiled per number type and instruction set. */
#include RF_VEC_H

#include "product/across.h"
#include "product/few.h"
#include "product/gemm.h"
#include "product/operands.h"
#include "product/product.h"
#include "product/tile.h"
#include "system/compiler.h"

INLINE void product_tile(const int R, const int V, const void *job, const struct tile *at) {
  const struct product *p = job;
  const int64_t column = at->panel * VEC_LANES;
  real *const *c = p->c + at->row;
  struct sums sums = {p->overwrite && at->first ? NULL : (const real *const *)c, c, .columns = p->columns - column};
  UNROLL for (int v = 0; v < V; v++) sums.offset[v] = column + v * VEC_LANES;
  tile_multiply(R, V, 1, &sums, at, &p->a, p->a_step);
}

TILE_FUNCTIONS(product_tile, 1)

void RF_PRODUCT_NAME(const struct product *p) {
  const int64_t end = (p->columns + VEC_LANES - 1) / VEC_LANES;
  tiles_run(&product_tile_family, &p->a, p->part, &p->b, p->first, end, p->cache, p);
}

void FEW_NAME(RF_PRODUCT_NAME)(const struct product_few *p) { few_functions[p->a.count - 1](p); }

void ACROSS_NAME(RF_PRODUCT_NAME)(const struct product_across *p) { across_functions[p->product->a.count - 1](p); }
