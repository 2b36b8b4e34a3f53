/* tile_operands.h - how AMX's tiles are shaped and read.
 *
 * A product of two tiles is 16 x 16 x 32 multiply-adds of bfloat16, or twice as many of bytes, and one begins every 16
 * cycles: 512 a cycle, or 1024. Two units of 512 bits have 32 of float32. To read a tile takes 8 of the 16 cycles where L1
 * has it, and sums are there 52 cycles after their product began. So four sums take turns, and of bfloat16 every tile
 * serves for two products, of bytes one of weights for four. (Intel's optimisation manual; measured on an Emerald Rapids:
 * 2800 GFLOP/s of bfloat16 beside 176 of float32 at 2.75 GHz, operands from L1 or none, and a third of it where another
 * machine's thread on the same core uses its tiles.) */
#ifndef RF_TILE_OPERANDS_H
#define RF_TILE_OPERANDS_H

#include <stddef.h>
#include <stdint.h>
#include RF_VEC_H
#include "system/compiler.h"
#include "vec/tiles.h"

/* Of each tile the rows that it has: those of A from 16 times this number on, or all of B's. */
enum { TILE_OF_B = -1 };

/* Of rows, those in the tile that begins with the 16 times `tile`th of them. */
static inline int tile_rows(int rows, int tile) {
  const int left = rows - tile * TILE_ROWS;
  return left < 0 ? 0 : left < TILE_ROWS ? left : TILE_ROWS;
}

static struct tile_shapes tile_shapes_of(const int *of_tile, int rows) {
  struct tile_shapes shapes = {.palette = 1};
  for (int n = 0; n < TILES; n++) {
    const int have = of_tile[n] == TILE_OF_B ? TILE_ROWS : tile_rows(rows, of_tile[n]);
    shapes.rows[n] = (uint8_t)have;
    shapes.bytes[n] = have ? TILE_BYTES : 0;
  }
  return shapes;
}

/* Of `lines` of a part, as many as a tile takes. */
static inline int64_t tile_lines(int64_t lines) { return lines < TILE_ROWS ? lines : TILE_ROWS; }

/* Reads rows that are `step` bytes apart. Of fewer lines than a tile has those are `numbers` long, and by way of `room` all
 * else is zeros: behind them lies another part, or nothing, and zero times infinite is no number. */
INLINE void tile_read(const int tile, const void *from, int64_t step, int rows, int64_t numbers, int64_t lines) {
  if (lines == TILE_ROWS) {
    tile_load(tile, from, step);
    return;
  }
  real room[TILE_ROWS][VEC_LANES];
  for (int r = 0; r < TILE_ROWS; r++) {
    v_store(room[r], r < rows ? v_load_n((const real *)((const char *)from + r * step), numbers) : v_set1(0));
  }
  tile_load(tile, room, sizeof room[0]);
}

/* Rows of A, `bytes` apart. */
INLINE void tile_read_rows(const int tile, const void *from, size_t bytes, int rows, int64_t lines) {
  tile_read(tile, from, (int64_t)bytes, rows, lines, lines);
}

/* Lines of B, `step` numbers apart. */
INLINE void tile_read_lines(const int tile, const real *from, int64_t step, int64_t lines) {
  tile_read(tile, from, step * (int64_t)sizeof(real), (int)lines, VEC_LANES, lines);
}

#endif
