/* narrow_tiled_bytes.h - weights of a byte times rows as digits (narrow_digits.h) in AMX's tiles, which take both with their
 * signs: sums are the same whole numbers, and results the same bits. */
#ifndef RF_NARROW_TILED_BYTES_H
#define RF_NARROW_TILED_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include RF_VEC_H
#include "product/narrow.h"
#include "product/narrow_bytes.h"
#include "product/narrow_digits.h"
#include "product/narrow_parts.h"
#include "product/narrow_rows.h"
#include "product/narrow_tiles.h"
#include "product/tile_operands.h"
#include "system/arena.h"
#include "system/compiler.h"
#include "vec/tiles.h"

/* Sums are tiles 0 to 3, one of each digit. */
enum { BYTES_OF_ROWS = 6, BYTES_OF_WEIGHTS = 7 };

/* Rows that pass by weights at a time: L1 has their digits, which are read for every vector of weights (Emerald Rapids: 32
 * rows of 512 units take 0.8 times as long as 64 rows at a time, of 1024 units 0.93 times). */
enum { TILED_BYTES_ROWS = TILE_ROWS };

/* Whether a product gains by tiles: theirs take 64 cycles for up to 16 rows where AVX512_VNNI takes 32 for one, and sums go
 * through memory. (Steps, Emerald Rapids, with three digits each: of 512 units 2 rows take as long by either, 3 take 0.75 times as long by tiles, 8
 * half as long; of 32 units 8 rows take 1.9 times as long, of 64 units 0.85 times.) */
static inline int tiled_bytes_gain(const struct rows *a) { return a->count >= 3 && a->count * rows_width(a) >= 512; }

/* The sums of a part's lines from line `line` of the block on for a vector. */
INLINE void tiled_bytes_part(int64_t left, const struct digits *made, int64_t line, int rows, const real *b,
                             int64_t step) {
  UNROLL for (int j = 0; j < DIGITS; j++) tile_zero(j);
  for (int64_t lines; left > 0; left -= lines, line += lines, b += lines * step) {
    lines = tile_lines(left);
    tile_read_lines(BYTES_OF_WEIGHTS, b, step, lines);
    UNROLL for (int j = 0; j < DIGITS; j++) {
      tile_read_rows(BYTES_OF_ROWS, made->digit[j] + 4 * line, sizeof *made, rows, lines);
      tile_multiply_bytes(j, BYTES_OF_ROWS, BYTES_OF_WEIGHTS);
    }
  }
}

static void tiled_bytes(const struct narrow_tile *t, int rows, int width, const void *of_rows) {
  (void)width;
  const struct digits *made = of_rows;
  struct narrow_tile at = *t;
  const struct block *block = t->block;
  const int64_t step = strip_step(t->p, t->vector);
  const real *b = strip_lines(t->p, t->vector) + block->line * step, *scale = t->p->scale + t->vector * VEC_LANES;
  for (int64_t q = 0, line = 0; q < block->parts; line += block->part[q++].lines) {
    tiled_bytes_part(block->part[q].lines, made, line, rows, b + line * step, step);
    _Alignas(RF_LINE) int32_t sum[DIGITS][TILE_ROWS][VEC_LANES];
    UNROLL for (int j = 0; j < DIGITS; j++) tile_store(j, sum[j], sizeof sum[0][0]);
    for (int row = 0; row < rows; row++) {
      __m512i digit[DIGITS];
      UNROLL for (int j = 0; j < DIGITS; j++) digit[j] = _mm512_loadu_si512(sum[j][row]);
      vec all = digits_sum(digit, made[row].unit[q], v_load(scale));
      at.row = t->row + row;
      part_add(RF_WEIGHT_BF16, 1, 1, &at, block->line == 0 && q == 0, &all);
    }
  }
}

static int tiled_bytes_widest(int rows) {
  (void)rows;
  return 0;
}

static const struct tiled_way tiled_bytes_way = {
    {sizeof(struct digits), TILED_BYTES_ROWS, TILE_ROWS, tiled_bytes_widest, digits_make, tiled_bytes, small_add},
    {0, 0, 0, 0, 0, 0, 0, TILE_OF_B}};

static size_t tiled_bytes_room(int64_t rows) {
  return (size_t)(rows < TILED_BYTES_ROWS ? rows : TILED_BYTES_ROWS) * sizeof(struct digits);
}

static void tiled_bytes_run(const struct product_narrow *p, int64_t first, int64_t end) {
  tiled_run(p, &tiled_bytes_way, first, end);
}

#endif
