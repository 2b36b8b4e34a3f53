/* narrow_tiles.h - products in AMX's tiles, 16 rows by 16 columns of weights each: how tiles are shaped and read.
 *
 * The limit, by Intel's optimisation manual: a product of two tiles is 16 x 16 x 32 multiply-adds of bfloat16, or twice as
 * many of bytes, and one begins every 16 cycles: 512 a cycle, or 1024, a third of which is left where rows are three digits.
 * Two units of 512 bits have 32 of float32, at most 64 by AVX512_BF16 and 128 by AVX512_VNNI. To read a tile takes 8 of the
 * 16 cycles where L1 has it, and sums are there 52 cycles after their product began. So tiles of rows and of weights serve
 * for two or three products each, and four or six sums take turns. No processor with AMX was at hand: tests run what
 * vec/tiles_emulated.h makes of it, and how fast it is was not measured. */
#ifndef RF_NARROW_TILES_H
#define RF_NARROW_TILES_H

#include <stddef.h>
#include <stdint.h>
#include RF_VEC_H
#include "product/narrow.h"
#include "product/narrow_rows.h"
#include "system/compiler.h"
#include "vec/tiles.h"

enum { TILED_VECTORS = 2 };

/* A way, and of each tile the rows that it has: those of A from 16 times this number on, or weights. */
struct tiled_way {
  struct way way;
  int of_tile[TILES];
};
enum { WEIGHTS_OF_TILE = -1 };

/* Of rows, those in the tile that begins with the 16 times `tile`th of them. */
static inline int tile_rows(int rows, int tile) {
  const int left = rows - tile * TILE_ROWS;
  return left < 0 ? 0 : left < TILE_ROWS ? left : TILE_ROWS;
}

static struct tile_shapes tiled_shapes(const struct tiled_way *tiled, int rows) {
  struct tile_shapes shapes = {.palette = 1};
  for (int n = 0; n < TILES; n++) {
    const int of = tiled->of_tile[n], have = of == WEIGHTS_OF_TILE ? TILE_ROWS : tile_rows(rows, of);
    shapes.rows[n] = (uint8_t)have;
    shapes.bytes[n] = have ? TILE_BYTES : 0;
  }
  return shapes;
}

/* rows_run, within tiles that fit. */
static void tiled_run(const struct product_narrow *p, const struct tiled_way *tiled, int64_t first, int64_t end,
                      char *made) {
  for (int64_t row = first, next; row < end; row = next) {
    next = row + tiled->way.rows < end ? row + tiled->way.rows : end;
    const struct tile_shapes shapes = tiled_shapes(tiled, (int)(next - row));
    tiles_begin(&shapes);
    rows_run(p, &tiled->way, row, next, made);
  }
  tiles_end();
}

static int tiled_widest(int rows) {
  (void)rows;
  return 1;
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

/* Rows of A: what a way made of each of them is `bytes` long. */
INLINE void tile_read_rows(const int tile, const void *from, size_t bytes, int rows, int64_t lines) {
  tile_read(tile, from, (int64_t)bytes, rows, lines, lines);
}

/* Lines of weights, `step` numbers apart. */
INLINE void tile_read_weights(const int tile, const real *from, int64_t step, int64_t lines) {
  tile_read(tile, from, step * (int64_t)sizeof(real), (int)lines, VEC_LANES, lines);
}

#endif
