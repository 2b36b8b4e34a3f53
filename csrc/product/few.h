/* few.h - a few rows of A times rows of W as they lie in memory, squares of which are turned over in registers on their way
 * into the multiply-adds: what a single product uses is read once and written nowhere, and what others use after it
 * becomes panels on the way. */
#ifndef RF_FEW_H
#define RF_FEW_H

#include <stddef.h>
#include <stdint.h>
#include RF_VEC_H
#include "product/operands.h"
#include "product/product.h"
#include "product/transposed.h"
#include "system/compiler.h"

/* acc[r] += row[r] times `count` numbers of W's rows from `first` on, k ascending. */
INLINE void few_stretch(const int R, const struct product_few *p, int64_t first, const real *const *row, int64_t count,
                        vec *acc) {
  vec column[VEC_LANES];
  for (int64_t i = 0; i < count; i += VEC_LANES) {
    load_transposed(p->w + first + i, p->w_stride, p->w_rows, count - i, column);
    if (p->keep) store_columns(column, count - i, p->keep + (first + i) * p->keep_step, p->keep_step);
    if (count - i >= VEC_LANES) {
      UNROLL for (int k = 0; k < VEC_LANES; k++) {
        UNROLL for (int r = 0; r < R; r++) acc[r] = v_fma(v_set1(row[r][i + k]), column[k], acc[r]);
      }
    } else {
      UNROLL for (int k = 0; k < VEC_LANES; k++) {
        if (k < count - i) {
          UNROLL for (int r = 0; r < R; r++) acc[r] = v_fma(v_set1(row[r][i + k]), column[k], acc[r]);
        }
      }
    }
  }
}

/* The whole product, part by part, as a tile of packed panels has it (tile.h). */
INLINE void few_multiply(const int R, const struct product_few *p) {
  const struct rows *a = &p->a;
  const int64_t group = a->size > 0 && a->size < p->part ? p->part / a->size : 1;
  const real *row[FEW_ROWS];
  vec sum[FEW_ROWS];
  UNROLL for (int r = 0; r < R; r++) sum[r] = p->from ? v_load(p->from[r] + p->offset) : v_set1(0);
  int added = p->from != NULL;
  for (int64_t segment = 0, end; segment < a->segments; segment = end) {
    end = segment + group < a->segments ? segment + group : a->segments;
    for (int64_t from = 0, to; from < a->size; from = to) {
      to = from + p->part < a->size ? from + p->part : a->size;
      vec acc[FEW_ROWS];
      UNROLL for (int r = 0; r < R; r++) acc[r] = v_set1(0);
      for (int64_t k = segment; k < end; k++) {
        UNROLL for (int r = 0; r < R; r++) row[r] = a->row[r] + k * a->stride + from;
        few_stretch(R, p, k * a->size + from, row, to - from, acc);
      }
      UNROLL for (int r = 0; r < R; r++) sum[r] = added ? v_add(sum[r], acc[r]) : acc[r];
      added = 1;
    }
  }
  UNROLL for (int r = 0; r < R; r++) v_store(p->to[r] + p->offset, sum[r]);
}

/* A function for every R, a constant, since only then does a compiler keep sums in registers. */
#define FEW_FUNCTION(R)                                                                                                \
  NOINLINE void few_##R(const struct product_few *p) { few_multiply(R, p); }
FEW_FUNCTION(1)
FEW_FUNCTION(2)
FEW_FUNCTION(3)
FEW_FUNCTION(4)
FEW_FUNCTION(5)
FEW_FUNCTION(6)
FEW_FUNCTION(7)
FEW_FUNCTION(8)
static void (*const few_functions[FEW_ROWS])(const struct product_few *p) = {few_1, few_2, few_3, few_4,
                                                                             few_5, few_6, few_7, few_8};

#endif
