/* narrow_many.h - many rows times weights of a narrow type: the first few of them leave the weights widened for all others. */
#ifndef RF_NARROW_MANY_H
#define RF_NARROW_MANY_H

#include <stddef.h>
#include <stdint.h>
#include RF_VEC_H
#include "product/blocks.h"
#include "product/narrow.h"
#include "product/narrow_few.h"
#include "product/narrow_parts.h"
#include "product/narrow_rows.h"
#include "product/tile.h"
#include "system/compiler.h"

enum { MANY_ROWS = 128, MANY_WIDTH = 2, MANY_VECTORS = 1 << MANY_WIDTH };

/* Rows that widen, so few that registers are left for it, and rows of a tile on what is widened. */
#define MANY_FIRST (WIDENED_SUMS / MANY_VECTORS)
#define MANY_TILE TILE_ROWS(MANY_VECTORS)

/* Memory: a tile's widened weights, [number of a block][vector], and the rows that pass by. */
struct many {
  real weights[BLOCK_NUMBERS * MANY_VECTORS * VEC_LANES];
  widened_row row[MANY_ROWS];
};

NOINLINE void first_bf16(const struct narrow_tile *t, const widened_row *row, real *wide) {
  widened_multiply(RF_WEIGHT_BF16, MANY_FIRST, MANY_VECTORS, t, row, 1, wide);
}

NOINLINE void first_i8(const struct narrow_tile *t, const widened_row *row, real *wide) {
  widened_multiply(RF_WEIGHT_I8, MANY_FIRST, MANY_VECTORS, t, row, 1, wide);
}

/* What a tile fetches meanwhile of the weights that come next: `step` bytes now and then. */
struct ahead {
  const char *at;
  int64_t share, step;
};

/* Of the next strip's block a share for each of so many tiles, those on the strip's other vectors included. */
static struct ahead strip_ahead(const struct narrow_tile *t, int tiles) {
  const struct product_narrow *p = t->p;
  const int64_t within = t->vector % STRIP_VECTORS, strip = t->vector - within;
  const int64_t next = p->backwards ? strip - STRIP_VECTORS : strip + STRIP_VECTORS;
  if (next < p->first || next >= p->end) return (struct ahead){.at = (const char *)p->packed};
  const int64_t lines = t->block->lines, line = strip_step(p, next) * (int64_t)sizeof(real), bytes = lines * line;
  const uint32_t pauses = (uint32_t)(lines << p->type) / FETCH_PAUSE + 1;
  const uint32_t share = (uint32_t)(bytes / STRIP_VECTORS * MANY_VECTORS) / (uint32_t)tiles / CACHE_LINE + 1;
  return (struct ahead){(const char *)strip_lines(p, next) + t->block->line * line + within * (bytes / STRIP_VECTORS),
                        (int64_t)share * CACHE_LINE, (int64_t)(share / pauses + 1) * CACHE_LINE};
}

/* R others, on what is widened. */
INLINE void many_multiply(const int R, const struct narrow_tile *t, const widened_row *made, const real *b,
                          struct ahead ahead) {
  enum { V = MANY_VECTORS };
  const struct block *block = t->block;
  const real *row[MANY_TILE];
  UNROLL for (int r = 0; r < R; r++) row[r] = made[r];
  UNROLL for (int n = 0; n < R * V; n++) __builtin_prefetch(t->p->to[t->row + n / V] + t->offset[n % V], 1);
  int64_t i = 0;
  for (int q = 0; q < block->parts; q++) {
    vec acc[MANY_TILE * V];
    UNROLL for (int n = 0; n < R * V; n++) acc[n] = v_set1(0);
    for (int64_t end = i + (block->part[q].lines << t->p->type), pause; i < end;) {
      for (const char *stop = ahead.at + ahead.step; ahead.at < stop; ahead.at += CACHE_LINE) {
        __builtin_prefetch(ahead.at);
      }
      pause = i + FETCH_PAUSE < end ? i + FETCH_PAUSE : end;
      for (; i < pause; i++, b += V * VEC_LANES) tile_step(R, 1, V, acc, row, i, b, 0);
    }
    part_add(t->p->type, R, V, t, block->line == 0 && q == 0, acc);
  }
}

/* A function for every R in use, a constant, as for a few rows. */
#define MANY_FUNCTION(R)                                                                                               \
  NOINLINE void many_##R(const struct narrow_tile *t, const widened_row *made, const real *b, struct ahead ahead) {    \
    if (R <= MANY_TILE) {                                                                                              \
      many_multiply(R, t, made, b, ahead);                                                                             \
    } else {                                                                                                           \
      __builtin_trap();                                                                                                \
    }                                                                                                                  \
  }
MANY_FUNCTION(1)
MANY_FUNCTION(2)
MANY_FUNCTION(3)
MANY_FUNCTION(4)
MANY_FUNCTION(5)
MANY_FUNCTION(6)

/* The rows behind the first, dealt evenly to tiles. */
static void many_others(struct narrow_tile t, int rows, const widened_row *made, const real *weights) {
  static void (*const by_rows[TILE_ROWS_MOST])(const struct narrow_tile *, const widened_row *, const real *,
                                               struct ahead) = {many_1, many_2, many_3, many_4, many_5, many_6};
  const int tiles = (rows + MANY_TILE - 1) / MANY_TILE, each = rows / tiles, longer = rows % tiles;
  struct ahead ahead = strip_ahead(&t, tiles);
  for (int turn = 0; turn < tiles; turn++, ahead.at += ahead.share) {
    const int some = each + (turn < longer);
    by_rows[some - 1](&t, made, weights, ahead);
    t.row += some;
    made += some;
  }
}

static int many_widest(int rows) {
  (void)rows;
  return MANY_WIDTH;
}

/* All rows in turn; what is left of a strip for fewer vectors is not worth more functions. */
static void many_tiles(const struct narrow_tile *t, int rows, int width, const void *made) {
  static void (*const first_by_type[RF_WEIGHT_TYPES])(const struct narrow_tile *, const widened_row *,
                                                      real *) = {NULL, first_bf16, first_i8};
  const widened_row *row = made;
  struct narrow_tile at = *t;
  if (width == MANY_WIDTH) {
    real *weights = ((struct many *)t->p->room)->weights;
    first_by_type[t->p->type](t, row, weights);
    at.row += MANY_FIRST;
    many_others(at, rows - MANY_FIRST, row + MANY_FIRST, weights);
    return;
  }
  for (int i = 0; i < rows; i += WIDENED_TILE, at.row += WIDENED_TILE) {
    widened_tile(&at, rows - i < WIDENED_TILE ? rows - i : WIDENED_TILE, width, row + i);
  }
}

static const struct way many_way = {sizeof(widened_row), MANY_ROWS,  MANY_ROWS, many_widest,
                                    widened_make,        many_tiles, NULL};

/* Rows [first, end), MANY_ROWS at most. */
static void many_rows(const struct product_narrow *p, int64_t first, int64_t end) {
  rows_run(p, &many_way, first, end, (char *)((struct many *)p->room)->row);
}

#endif
