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

/* The first rows, of which each V has a function, as few rows have. */
typedef void first_function(const struct narrow_tile *t, const widened_row *row, real *wide);
#define FIRST_FUNCTION(name, type, V)                                                                                  \
  NOINLINE void name##_x##V(const struct narrow_tile *t, const widened_row *row, real *wide) {                         \
    widened_multiply(type, MANY_FIRST, V, t, row, 1, wide);                                                            \
  }
#define FIRST_FUNCTIONS(name, type)                                                                                    \
  FIRST_FUNCTION(name, type, 1)                                                                                        \
  FIRST_FUNCTION(name, type, 2)                                                                                        \
  FIRST_FUNCTION(name, type, 4)                                                                                        \
  static first_function *const name[] = {name##_x1, name##_x2, name##_x4};
FIRST_FUNCTIONS(first_bf16, RF_WEIGHT_BF16)
FIRST_FUNCTIONS(first_i8, RF_WEIGHT_I8)

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
INLINE void many_multiply(const int R, const int V, const struct narrow_tile *t, const widened_row *made, const real *b,
                          struct ahead ahead) {
  const struct block *block = t->block;
  const real *row[MANY_TILE];
  UNROLL for (int r = 0; r < R; r++) row[r] = made[r];
  UNROLL for (int n = 0; n < R * V; n++) __builtin_prefetch(t->p->to[t->row + n / V] + t->offset[n % V], 1);
  int64_t i = 0;
  for (int q = 0; q < block->parts; q++) {
    vec acc[MANY_TILE * MANY_VECTORS];
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

/* And for every R and V. */
typedef void many_function(const struct narrow_tile *t, const widened_row *made, const real *b, struct ahead ahead);
#define MANY_FUNCTION(R, V)                                                                                            \
  NOINLINE void many_##R##x##V(const struct narrow_tile *t, const widened_row *made, const real *b,                    \
                               struct ahead ahead) {                                                                   \
    if (R <= MANY_TILE) {                                                                                              \
      many_multiply(R, V, t, made, b, ahead);                                                                          \
    } else {                                                                                                           \
      __builtin_trap();                                                                                                \
    }                                                                                                                  \
  }
#define MANY_FUNCTIONS(V)                                                                                              \
  MANY_FUNCTION(1, V)                                                                                                  \
  MANY_FUNCTION(2, V)                                                                                                  \
  MANY_FUNCTION(3, V)                                                                                                  \
  MANY_FUNCTION(4, V)                                                                                                  \
  MANY_FUNCTION(5, V)                                                                                                  \
  MANY_FUNCTION(6, V)                                                                                                  \
  static many_function *const many_x##V[TILE_ROWS_MOST] = {many_1x##V, many_2x##V, many_3x##V,                         \
                                                           many_4x##V, many_5x##V, many_6x##V};
MANY_FUNCTIONS(1)
MANY_FUNCTIONS(2)
MANY_FUNCTIONS(4)

static int many_widest(int rows) {
  (void)rows;
  return MANY_WIDTH;
}

/* All rows in turn, dealt evenly to tiles behind the first. */
static void many_tiles(const struct narrow_tile *t, int rows, int width, const void *made) {
  static first_function *const *const first_by_type[RF_WEIGHT_TYPES] = {NULL, first_bf16, first_i8};
  static many_function *const *const by_width[] = {many_x1, many_x2, many_x4};
  real *weights = ((struct many *)t->p->room)->weights;
  const widened_row *row = made;
  struct narrow_tile at = *t;
  first_by_type[t->p->type][width](t, row, weights);
  const int left = rows - MANY_FIRST, tiles = (left + MANY_TILE - 1) / MANY_TILE;
  const int each = left / tiles, longer = left % tiles;
  struct ahead ahead = strip_ahead(t, tiles);
  at.row += MANY_FIRST;
  row += MANY_FIRST;
  for (int turn = 0; turn < tiles; turn++) {
    const int some = each + (turn < longer);
    by_width[width][some - 1](&at, row, weights, ahead);
    at.row += some;
    row += some;
    ahead.at += ahead.share;
  }
}

static const struct way many_way = {sizeof(widened_row), MANY_ROWS, MANY_ROWS, many_widest, widened_make, many_tiles};

/* Rows [first, end), MANY_ROWS at most. */
static void many_rows(const struct product_narrow *p, int64_t first, int64_t end) {
  rows_run(p, &many_way, first, end, (char *)((struct many *)p->room)->row);
}

#endif
