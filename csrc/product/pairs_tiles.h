/* pairs_tiles.h - products of pairs (pairs.h) in AMX's tiles.
 *
 * Rows of A are copied first, as many as serve while two panels of B stay in L1, into tiles of 16 rows by 16 pairs: that
 * costs a hundredth of a product, and rows may lie anywhere, in any segments. */
#ifndef RF_PAIRS_TILES_H
#define RF_PAIRS_TILES_H

#include <stdint.h>
#include RF_VEC_H
#include "product/operands.h"
#include "product/pairs.h"
#include "product/tile.h"
#include "product/tile_operands.h"
#include "system/arena.h"
#include "system/compiler.h"
#include "vec/tiles.h"

/* Sums are tiles 0 to 3: of two tiles of rows by two vectors. Of pairs, those that are summed in tiles before C has them:
 * 512 numbers have 17 + 512 / 32 roundings (narrow_tiled_pairs.h). */
enum {
  SUMS_ROWS = 2 * TILE_ROWS,
  SUMS_VECTORS = 2,
  TILE_OF_A = 4,
  TILE_OF_PANEL = 6,
  TILED_PART = 256,
  TILED_ROWS = 128
};
static const int pairs_of_tile[TILES] = {0, 0, 1, 1, 0, 1, TILE_OF_B, TILE_OF_B};

/* A part of A's rows, [tile of rows][tile of pairs][row][pair], where panels are packed by products without pairs. */
struct tiled_rows {
  real tile[TILED_ROWS / TILE_ROWS][TILED_PART / TILE_ROWS][TILE_ROWS][VEC_LANES];
};

/* Copies pairs [from, from + count) of a row, zeros behind them, to a row of tiles. */
static void tiled_row(const struct rows *a, const real *row, int64_t from, int64_t count, real *to) {
  int64_t segment = from / a->size, at = from % a->size;
  for (int64_t k = 0, some; k < count; k += some) {
    const int64_t room = VEC_LANES - k % VEC_LANES, left = a->size - at < count - k ? a->size - at : count - k;
    real *lanes = to + k / VEC_LANES * TILE_ROWS * VEC_LANES;
    some = room < left ? room : left;
    const vec pairs = v_load_n(row + segment * a->stride + at, some);
    if (room == VEC_LANES) {
      v_store(lanes, pairs); /* and zeros behind the last */
    } else {
      v_store_n(lanes + k % VEC_LANES, some, pairs);
    }
    at += some;
    if (at == a->size) at = 0, segment++;
  }
}

struct tiled_part {
  const struct product_pairs *p;
  int64_t from, count;
  int first; /* of a row's sums */
};

/* The sums of a part for R tiles of rows and V panels. */
INLINE void tiled_sums(const int R, const int V, int64_t left, const real *a, const real *b, int64_t panel_size) {
  const int64_t tile = TILE_ROWS * VEC_LANES, rows = TILED_PART / TILE_ROWS * tile;
  UNROLL for (int n = 0; n < R * V; n++) tile_zero(n / V * SUMS_VECTORS + n % V);
  for (; left > 0; left -= TILE_ROWS, a += tile, b += tile) {
    UNROLL for (int v = 0; v < V; v++) {
      tile_read_lines(TILE_OF_PANEL + v, b + v * panel_size, VEC_LANES, tile_lines(left));
    }
    UNROLL for (int r = 0; r < R; r++) {
      tile_load(TILE_OF_A + r, a + r * rows, sizeof(real) * VEC_LANES);
      UNROLL for (int v = 0; v < V; v++) tile_multiply_pairs(r * SUMS_VECTORS + v, TILE_OF_A + r, TILE_OF_PANEL + v);
    }
  }
}

INLINE void tiled_multiply(const int R, const int V, const struct tiled_part *t, int64_t row, int rows, int64_t panel,
                           const real *a) {
  const struct product_pairs *p = t->p;
  const int64_t panel_size = rows_width(&p->of.a) * VEC_LANES;
  tiled_sums(R, V, t->count, a, p->of.b.packed + panel * panel_size + t->from * VEC_LANES, panel_size);
  _Alignas(RF_LINE) real sum[SUMS_VECTORS][SUMS_ROWS][VEC_LANES];
  UNROLL for (int n = 0; n < R * V; n++) {
    tile_store(n / V * SUMS_VECTORS + n % V, sum[n % V][n / V * TILE_ROWS], sizeof sum[0][0]);
  }
  struct sums sums = {.columns = p->slots == 1 ? p->of.columns - panel * VEC_LANES : INT64_MAX};
  gate_offsets(p->gates, p->slot, p->slots, panel, V, sums.offset);
  for (int r = 0; r < rows; r++) {
    vec acc[SUMS_VECTORS];
    UNROLL for (int v = 0; v < V; v++) acc[v] = v_load(sum[v][r]);
    sums.to = p->of.c + row + r;
    const real *const *from = p->of.overwrite ? NULL : (const real *const *)sums.to;
    if (p->bias) from = &p->bias;
    sums_add(1, V, &sums, t->first ? from : (const real *const *)sums.to, acc);
  }
}

#define TILED_FUNCTION(R, V)                                                                                           \
  NOINLINE void tiled_##R##x##V(const struct tiled_part *t, int64_t row, int rows, int64_t panel, const real *a) {     \
    tiled_multiply(R, V, t, row, rows, panel, a);                                                                      \
  }
TILED_FUNCTION(1, 1)
TILED_FUNCTION(1, 2)
TILED_FUNCTION(2, 1)
TILED_FUNCTION(2, 2)

/* Rows [row, row + rows), all in tiles of one shape, by panels [first, end). */
static void tiled_rows_run(const struct product_pairs *p, int64_t row, int rows, int64_t first, int64_t end) {
  static void (*const by_size[2][2])(const struct tiled_part *, int64_t, int, int64_t,
                                     const real *) = {{tiled_1x1, tiled_1x2}, {tiled_2x1, tiled_2x2}};
  const int64_t width = rows_width(&p->of.a);
  const int each = rows < SUMS_ROWS ? rows : SUMS_ROWS;
  struct tiled_rows *room = (struct tiled_rows *)p->of.b.room;
  struct tiled_part t = {.p = p, .first = 1};
  const struct tile_shapes shapes = tile_shapes_of(pairs_of_tile, each);
  tiles_begin(&shapes);
  for (; t.from < width; t.from += t.count, t.first = 0) {
    t.count = width - t.from < TILED_PART ? width - t.from : TILED_PART;
    for (int r = 0; r < rows; r++) {
      tiled_row(&p->of.a, p->of.a.row[row + r], t.from, t.count, room->tile[r / TILE_ROWS][0][r % TILE_ROWS]);
    }
    for (int64_t panel = first; panel < end; panel += SUMS_VECTORS) {
      const int two = panel + 1 < end;
      for (int r = 0; r < rows; r += each) {
        by_size[each > TILE_ROWS][two](&t, row + r, each, panel, room->tile[r / TILE_ROWS][0][0]);
      }
    }
  }
}

static void pairs_tiled(const struct product_pairs *p, int64_t first, int64_t end) {
  const int64_t rows = p->of.a.count, full = rows - rows % SUMS_ROWS;
  for (int64_t row = 0, some; row < rows; row += some) {
    some = row < full ? full - row : rows - row;
    if (some > TILED_ROWS) some = TILED_ROWS;
    tiled_rows_run(p, row, (int)some, first, end);
  }
  tiles_end();
}

#endif
