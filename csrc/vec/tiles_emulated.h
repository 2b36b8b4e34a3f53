/* tiles_emulated.h - AMX in C, so that what uses tiles.h can be tested on processors without it: what Intel's manual says
 * that the instructions do (Software Developer's Manual, volume 2), and an end with a message where they would fault. */
#ifndef RF_TILES_EMULATED_H
#define RF_TILES_EMULATED_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "system/cpu.h"
#include "vec/tile_shapes.h"

/* A thread's tiles. No palette: none. */
static _Thread_local struct {
  struct tile_shapes shapes;
  char row[TILES][TILE_ROWS][TILE_BYTES];
} tiles_emulated;

static inline void tiles_need(int holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "a processor with AMX would refuse this: %s\n", what);
  abort();
}

/* Rows are made into digits and pairs by instructions that every processor with AMX has, and that are not emulated. */
static inline int tiles_able(void) {
  const uint32_t needed = RF_CPU_AVX512VNNI | RF_CPU_AVX512BF16;
  return (rf_cpu_features_once() & needed) == needed;
}

static inline int tile_exists(int t) { return t >= 0 && t < TILES && tiles_emulated.shapes.rows[t] > 0; }

/* Palette 0 is what tiles_end leaves; here it would be a mistake. */
static inline void tiles_begin(const struct tile_shapes *shapes) {
  tiles_need(shapes->palette == 1, "a palette that is not 1");
  tiles_need(shapes->start_row == 0, "tiles that start within");
  for (int n = 0; n < 14; n++) tiles_need(shapes->reserved[n] == 0, "reserved bytes that are not zero");
  for (int n = 0; n < 16; n++) {
    const int rows = shapes->rows[n], bytes = shapes->bytes[n];
    tiles_need(n < TILES || (rows == 0 && bytes == 0), "a tile beyond the eighth");
    tiles_need(rows <= TILE_ROWS, "more than 16 rows");
    tiles_need(bytes <= TILE_BYTES, "rows of more than 64 bytes");
    tiles_need((rows == 0) == (bytes == 0), "rows without bytes, or bytes without rows");
  }
  memset(&tiles_emulated, 0, sizeof tiles_emulated);
  tiles_emulated.shapes = *shapes;
}

static inline void tiles_end(void) { memset(&tiles_emulated, 0, sizeof tiles_emulated); }

static inline void tile_zero(int t) {
  tiles_need(tile_exists(t), "a tile without a shape");
  memset(tiles_emulated.row[t], 0, sizeof tiles_emulated.row[t]);
}

/* What a tile's shape leaves out becomes zero. */
static inline void tile_load(int t, const void *from, int64_t step) {
  tile_zero(t);
  for (int r = 0; r < tiles_emulated.shapes.rows[t]; r++) {
    memcpy(tiles_emulated.row[t][r], (const char *)from + r * step, tiles_emulated.shapes.bytes[t]);
  }
}

static inline void tile_store(int t, void *to, int64_t step) {
  tiles_need(tile_exists(t), "a tile without a shape");
  for (int r = 0; r < tiles_emulated.shapes.rows[t]; r++) {
    memcpy((char *)to + r * step, tiles_emulated.row[t][r], tiles_emulated.shapes.bytes[t]);
  }
}

static inline void tiles_need_product(int sum, int a, int b) {
  const struct tile_shapes *s = &tiles_emulated.shapes;
  tiles_need(tile_exists(sum) && tile_exists(a) && tile_exists(b), "a tile without a shape");
  tiles_need(sum != a && a != b && b != sum, "a product of a tile with itself");
  tiles_need(s->bytes[sum] % 4 == 0 && s->bytes[a] % 4 == 0 && s->bytes[b] % 4 == 0, "part of a number");
  tiles_need(s->rows[sum] == s->rows[a], "sums of other rows than a has");
  tiles_need(s->bytes[sum] == s->bytes[b], "sums of other columns than b has");
  tiles_need(s->bytes[a] == 4 * s->rows[b], "rows of b that are not a's columns");
}

/* Number `n` of a tile's row: of four bytes, or the float32 that two bytes of bfloat16 stand for. */
static inline int32_t tile_whole(int t, int row, int n) {
  int32_t found;
  memcpy(&found, tiles_emulated.row[t][row] + 4 * n, sizeof found);
  return found;
}
static inline float tile_bfloat16(int t, int row, int n) {
  const uint32_t two = (uint32_t)tile_whole(t, row, n / 2), bits = n % 2 ? two & 0xffff0000u : two << 16;
  float found;
  memcpy(&found, &bits, sizeof found);
  return found;
}

/* Of all pairs the first numbers are one chain of fused multiply-adds, the second ones another, each from zero; then these
 * are added, and that is added to what there was. Subnormals are zeros whatever the thread's mode is: kernels' own here. */
static inline void tile_multiply_pairs(int sum, int a, int b) {
  tiles_need_product(sum, a, b);
  rf_flush_mode old;
  rf_flush_on(&old);
  for (int m = 0; m < tiles_emulated.shapes.rows[a]; m++) {
    for (int n = 0; n < tiles_emulated.shapes.bytes[b] / 4; n++) {
      float chain[2] = {0, 0}, found;
      for (int k = 0; k < tiles_emulated.shapes.bytes[a] / 2; k++) {
        chain[k % 2] = fmaf(tile_bfloat16(a, m, k), tile_bfloat16(b, k / 2, 2 * n + k % 2), chain[k % 2]);
      }
      memcpy(&found, tiles_emulated.row[sum][m] + 4 * n, sizeof found);
      found += chain[0] + chain[1];
      memcpy(tiles_emulated.row[sum][m] + 4 * n, &found, sizeof found);
    }
  }
  rf_flush_restore(&old);
}

static inline void tile_multiply_bytes(int sum, int a, int b) {
  tiles_need_product(sum, a, b);
  for (int m = 0; m < tiles_emulated.shapes.rows[a]; m++) {
    for (int n = 0; n < tiles_emulated.shapes.bytes[b] / 4; n++) {
      uint32_t found = (uint32_t)tile_whole(sum, m, n);
      for (int k = 0; k < tiles_emulated.shapes.bytes[a]; k++) {
        const int8_t of_a = (int8_t)tiles_emulated.row[a][m][k],
                     of_b = (int8_t)tiles_emulated.row[b][k / 4][4 * n + k % 4];
        found += (uint32_t)(of_a * of_b);
      }
      memcpy(tiles_emulated.row[sum][m] + 4 * n, &found, sizeof found);
    }
  }
}

#endif
