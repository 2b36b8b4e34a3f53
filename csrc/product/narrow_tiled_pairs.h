/* narrow_tiled_pairs.h - weights and rows in bfloat16, rounded as for AVX512_BF16 (narrow_pairs.h), multiplied in AMX's
 * tiles.
 *
 * Bits are others. Both round to nearest even and take subnormals for zeros, whatever the thread's mode is. VDPBF16PS adds
 * the two products of a pair to the sum one after the other. TDPBF16PS, by Intel's manual, sums the products of the first
 * numbers of a tile's 16 pairs in one chain, those of the second ones in another, and adds these two to one another and
 * then to the sum. That is 17 roundings and one for each tile: with K numbers in a row 17 + K / 32, no more than
 * summation.h has with its parts and their sum (33 of 132 with K = 512, 81 of 144 with 2048). So parts are as long as
 * blocks are. */
#ifndef RF_NARROW_TILED_PAIRS_H
#define RF_NARROW_TILED_PAIRS_H

#include <stddef.h>
#include <stdint.h>
#include RF_VEC_H
#include "product/narrow.h"
#include "product/narrow_pairs.h"
#include "product/narrow_parts.h"
#include "product/narrow_rows.h"
#include "product/narrow_tiles.h"
#include "product/tile_operands.h"
#include "system/arena.h"
#include "system/compiler.h"
#include "vec/tiles.h"

/* Sums are tiles 0 to 3: of two tiles of rows by two vectors. */
enum { TILED_PAIRS = 2, TILED_PAIRS_TILE = TILED_PAIRS * TILE_ROWS, PAIRS_OF_ROWS = 4, PAIRS_OF_WEIGHTS = 6 };

/* Rows that pass by weights while L1 has these: 128 of 1024 units take 0.8 times as long as 32 at a time (Emerald Rapids),
 * since weights come from L3 fewer times. */
enum { TILED_PAIRS_ROWS = 4 * TILED_PAIRS_TILE };

/* The sums of a part's lines for R tiles of rows and V vectors. */
INLINE void tiled_pairs_part(const int R, const int V, int64_t left, const char *a, int rows, const real *b,
                             int64_t step) {
  const int64_t bytes = sizeof(struct pairs);
  UNROLL for (int n = 0; n < R * V; n++) tile_zero(n / V * TILED_VECTORS + n % V);
  for (int64_t lines; left > 0; left -= lines, a += 4 * lines, b += lines * step) {
    lines = tile_lines(left);
    UNROLL for (int r = 0; r < R; r++) {
      tile_read_rows(PAIRS_OF_ROWS + r, a + r * TILE_ROWS * bytes, bytes, tile_rows(rows, r), lines);
    }
    UNROLL for (int v = 0; v < V; v++) tile_read_lines(PAIRS_OF_WEIGHTS + v, b + v * VEC_LANES, step, lines);
    UNROLL for (int n = 0; n < R * V; n++) {
      tile_multiply_pairs(n / V * TILED_VECTORS + n % V, PAIRS_OF_ROWS + n / V, PAIRS_OF_WEIGHTS + n % V);
    }
  }
}

INLINE void tiled_pairs_multiply(const int R, const int V, const struct narrow_tile *t, int rows,
                                 const struct pairs *made) {
  struct narrow_tile at = *t;
  const struct block *block = t->block;
  const int64_t step = strip_step(t->p, t->vector);
  const real *b = strip_lines(t->p, t->vector) + block->line * step;
  for (int64_t q = 0, line = 0; q < block->parts; line += block->part[q++].lines) {
    tiled_pairs_part(R, V, block->part[q].lines, (const char *)(made->pair + line), rows, b + line * step, step);
    _Alignas(RF_LINE) real sum[TILED_VECTORS][TILED_PAIRS_TILE][VEC_LANES];
    UNROLL for (int n = 0; n < R * V; n++) {
      tile_store(n / V * TILED_VECTORS + n % V, sum[n % V][n / V * TILE_ROWS], sizeof sum[0][0]);
    }
    for (int row = 0; row < rows; row++) {
      vec acc[TILED_VECTORS];
      UNROLL for (int v = 0; v < V; v++) acc[v] = v_load(sum[v][row]);
      at.row = t->row + row;
      part_add(RF_WEIGHT_BF16, 1, V, &at, block->line == 0 && q == 0, acc);
    }
  }
}

#define TILED_PAIRS_FUNCTION(R, V)                                                                                     \
  NOINLINE void tiled_pairs_##R##x##V(const struct narrow_tile *t, int rows, const struct pairs *made) {               \
    tiled_pairs_multiply(R, V, t, rows, made);                                                                         \
  }
TILED_PAIRS_FUNCTION(1, 1)
TILED_PAIRS_FUNCTION(1, 2)
TILED_PAIRS_FUNCTION(2, 1)
TILED_PAIRS_FUNCTION(2, 2)

static void tiled_pairs(const struct narrow_tile *t, int rows, int width, const void *made) {
  static void (*const by_size[TILED_PAIRS][TILED_VECTORS])(const struct narrow_tile *, int, const struct pairs *) = {
      {tiled_pairs_1x1, tiled_pairs_1x2}, {tiled_pairs_2x1, tiled_pairs_2x2}};
  by_size[rows > TILE_ROWS][width](t, rows, made);
}

static const struct tiled_way tiled_pairs_way = {
    {sizeof(struct pairs), TILED_PAIRS_ROWS, TILED_PAIRS_TILE, tiled_widest, pairs_make, tiled_pairs, NULL},
    {0, 0, 1, 1, 0, 1, TILE_OF_B, TILE_OF_B}};

static size_t tiled_pairs_room(int64_t rows) {
  return (size_t)(rows < TILED_PAIRS_ROWS ? rows : TILED_PAIRS_ROWS) * sizeof(struct pairs);
}

static void tiled_pairs_rows(const struct product_narrow *p) {
  const struct product_narrow whole = parts_of_blocks(p);
  tiled_run(&whole, &tiled_pairs_way, 0, p->a.count);
}

#endif
