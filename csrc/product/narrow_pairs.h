/* narrow_pairs.h - weights and rows in bfloat16, for processors that sum products of pairs by themselves (AVX512_BF16):
 * twice as many at a time, and rows are rounded. */
#ifndef RF_NARROW_PAIRS_H
#define RF_NARROW_PAIRS_H

#include <stdint.h>
#include <string.h>
#include RF_VEC_H
#include "product/narrow.h"
#include "product/narrow_parts.h"
#include "product/narrow_rows.h"
#include "system/arena.h"
#include "system/compiler.h"

#define WITH_PAIRS __attribute__((target("avx512bf16")))

enum { PAIRS_ROWS = 32, PAIRS_TILE = 4 };

/* A block of a row, rounded. Rows after one another lie in lines as the first does. */
struct pairs {
  uint32_t pair[BLOCK_NUMBERS / 2 + RF_LINE / sizeof(uint32_t)];
};

WITH_PAIRS static void pairs_make(const struct product_narrow *p, int64_t row, const struct block *block, void *made) {
  const struct rows *a = &p->a;
  uint32_t *to = ((struct pairs *)made)->pair;
  for (int q = 0; q < block->parts; q++) {
    const struct part *part = &block->part[q];
    for (int64_t k = part->segment; k < part->last; k++) {
      const real *at = a->row[row] + k * a->stride;
      for (int64_t i = part->from; i < part->to; i += VEC_LANES) {
        const __m256bh rounded = _mm512_cvtneps_pbh(v_load_n(at + i, part->to - i));
        memcpy(to + (i - part->from) / 2, &rounded, sizeof rounded);
      }
      to += rf_weight_lines(part->to - part->from, RF_WEIGHT_BF16);
    }
  }
}

/* The sums of R rows' block for V vectors of a strip. */
WITH_PAIRS INLINE void pairs_multiply(const int R, const int V, const struct narrow_tile *t, const struct pairs *d) {
  const struct block *block = t->block;
  const int64_t step = strip_step(t->p, t->vector);
  const real *b = strip_lines(t->p, t->vector) + block->line * step;
  for (int64_t q = 0, line = 0, end; q < block->parts; q++) {
    vec acc[PAIRS_TILE * 4];
    UNROLL for (int n = 0; n < R * V; n++) acc[n] = v_set1(0);
    for (end = line + block->part[q].lines; line < end; line++, b += step) {
      __m512bh weights[4];
      UNROLL for (int v = 0; v < V; v++) memcpy(&weights[v], b + v * VEC_LANES, sizeof weights[v]);
      UNROLL for (int r = 0; r < R; r++) {
        const __m512i pair = _mm512_set1_epi32((int32_t)d[r].pair[line]);
        __m512bh of_row;
        memcpy(&of_row, &pair, sizeof of_row);
        UNROLL for (int v = 0; v < V; v++) acc[r * V + v] = _mm512_dpbf16_ps(acc[r * V + v], weights[v], of_row);
      }
    }
    part_add(RF_WEIGHT_BF16, R, V, t, block->line == 0 && q == 0, acc);
  }
}

typedef void pairs_function(const struct narrow_tile *t, const struct pairs *d);
#define PAIRS_FUNCTION(R, V)                                                                                           \
  WITH_PAIRS NOINLINE void pairs_##R##x##V(const struct narrow_tile *t, const struct pairs *d) {                       \
    pairs_multiply(R, V, t, d);                                                                                        \
  }
#define PAIRS_FUNCTIONS(V)                                                                                             \
  PAIRS_FUNCTION(1, V)                                                                                                 \
  PAIRS_FUNCTION(2, V)                                                                                                 \
  PAIRS_FUNCTION(3, V)                                                                                                 \
  PAIRS_FUNCTION(4, V)                                                                                                 \
  static pairs_function *const pairs_x##V[PAIRS_TILE] = {pairs_1x##V, pairs_2x##V, pairs_3x##V, pairs_4x##V};
PAIRS_FUNCTIONS(1)
PAIRS_FUNCTIONS(2)
PAIRS_FUNCTIONS(4)

static int pairs_widest(int rows) {
  (void)rows;
  return 2;
}

static void pairs_tile(const struct narrow_tile *t, int rows, int width, const void *made) {
  static pairs_function *const *const by_width[] = {pairs_x1, pairs_x2, pairs_x4};
  by_width[width][rows - 1](t, made);
}

static const struct way pairs_way = {sizeof(struct pairs), PAIRS_ROWS, PAIRS_TILE, pairs_widest,
                                     pairs_make,           pairs_tile, NULL};

static void pairs_rows(const struct product_narrow *p) {
  _Alignas(RF_LINE) struct pairs made[PAIRS_ROWS];
  rows_run(p, &pairs_way, 0, p->a.count, (char *)made);
}

#endif
