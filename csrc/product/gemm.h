/* gemm.h - packed matrix products: tiles run over all rows and panels. */
#ifndef RF_GEMM_H
#define RF_GEMM_H

#include <stddef.h>
#include <stdint.h>
#include RF_VEC_H
#include "product/blocks.h"
#include "product/operands.h"
#include "product/summation.h"
#include "product/tile.h"
#include "system/compiler.h"
#include "system/cpu.h"

typedef void tile_function(const void *job, const struct tile *at);

/* A function for every R and V in use, both constants, since only then does a compiler keep a tile in registers; one
 * function each, since many in one body spill. In use are the V for many rows, for R rows alone, and 1 at the edge. */
#define TILE_USED(R, V, G)                                                                                             \
  ((R) <= TILE_ROWS(G) && ((V) == 1 || (V) == TILE_PANELS(R, G) || (V) == TILE_PANELS(TILE_ROWS(G), G)))
#define TILE_FUNCTION(name, G, R, V)                                                                                   \
  NOINLINE void name##_##R##x##V(const void *job, const struct tile *at) {                                             \
    if (TILE_USED(R, V, G)) {                                                                                          \
      name(R, V, job, at);                                                                                             \
    } else {                                                                                                           \
      __builtin_trap();                                                                                                \
    }                                                                                                                  \
  }
#define TILE_FUNCTIONS_OF(name, G, V)                                                                                  \
  TILE_FUNCTION(name, G, 1, V)                                                                                         \
  TILE_FUNCTION(name, G, 2, V)                                                                                         \
  TILE_FUNCTION(name, G, 3, V)                                                                                         \
  TILE_FUNCTION(name, G, 4, V)                                                                                         \
  TILE_FUNCTION(name, G, 5, V)                                                                                         \
  TILE_FUNCTION(name, G, 6, V)                                                                                         \
  TILE_FUNCTION(name, G, 7, V)                                                                                         \
  TILE_FUNCTION(name, G, 8, V)                                                                                         \
  static tile_function *const name##_x##V[TILE_ROWS_MOST] = {name##_1x##V, name##_2x##V, name##_3x##V, name##_4x##V,   \
                                                             name##_5x##V, name##_6x##V, name##_7x##V, name##_8x##V};
#define TILE_FUNCTIONS(name, G)                                                                                        \
  TILE_FUNCTIONS_OF(name, G, 1)                                                                                        \
  TILE_FUNCTIONS_OF(name, G, 2)                                                                                        \
  TILE_FUNCTIONS_OF(name, G, 4)                                                                                        \
  TILE_FUNCTIONS_OF(name, G, 8)                                                                                        \
  static const struct tile_family name##_family = {                                                                    \
      G, {name##_x1, name##_x2, NULL, name##_x4, NULL, NULL, NULL, name##_x8}};

struct tile_family {
  int gates;
  tile_function *const *by_panels[8]; /* [V - 1][R - 1] */
};

/* What tiles_run has packed at once: a tile's panels for one block of k, and that is a part at least. */
#define ROOM_NUMBERS_LEAST (SUM_PART_MOST * ACCUMULATORS * VEC_LANES)
static inline int64_t room_numbers(const struct rf_cache *cache) {
  const int64_t block = cache->l1_share / (int64_t)sizeof(real);
  return block > ROOM_NUMBERS_LEAST ? block : ROOM_NUMBERS_LEAST;
}

/* Points `at` to panels that were packed before. */
INLINE void panels_at(const struct panels *b, const struct rows *a, const int G, struct tile *at) {
  at->panel_size = rows_width(a) * G * VEC_LANES;
  at->b = b->packed + at->panel * at->panel_size + (at->segment * a->size + at->from) * G * VEC_LANES;
}

/* Packs `width` panels for the block of k that `at` says, and points it to them. */
INLINE void panels_pack(const struct panels *b, const struct rows *a, const int G, int64_t width, struct tile *at) {
  const int64_t from = at->segment * a->size + at->from, count = at->segments * (at->to - at->from);
  at->panel_size = count * G * VEC_LANES;
  at->b = b->room;
  for (int64_t v = 0; v < width; v++) {
    b->pack(b->source, at->panel + v, from, from + count, b->room + v * at->panel_size);
  }
}

/* Rows dealt evenly to tiles, because a lone last row would leave most of the registers empty, and panels to tiles as
 * wide as fit, the last ones alone. */
struct deal {
  int64_t tiles, rows, longer; /* of `rows` each, the first `longer` of one more */
  int64_t first, end;
  int wide;
  int64_t wides, widths; /* tiles' widths of panels: the wide ones, and all */
};

INLINE struct deal tiles_deal(int64_t count, int64_t first, int64_t end, const int G) {
  const int most = TILE_ROWS(G);
  const int64_t tiles = (count + most - 1) / most, some = tiles > 0 ? tiles : 1;
  const int wide = tiles > 1 ? TILE_PANELS(most, G) : TILE_PANELS(count, G);
  const int64_t wides = (end - first) / wide;
  return (struct deal){tiles, count / some, count % some, first, end, wide, wides, wides + (end - first) % wide};
}

static inline int64_t tile_width(const struct deal *d, int64_t panel) {
  return panel + d->wide <= d->end ? d->wide : 1;
}

/* Where tile `i` of a row of tiles begins, from the last one on if `backwards`. */
static inline int64_t tile_panel(const struct deal *d, int64_t i, int backwards) {
  const int64_t at = backwards ? d->widths - 1 - i : i, single = at > d->wides ? at - d->wides : 0;
  return d->first + (at - single) * d->wide + single;
}

INLINE void tile_run(const struct tile_family *family, const struct deal *d, struct tile *at, const void *job) {
  at->row = at->turn * d->rows + (at->turn < d->longer ? at->turn : d->longer);
  family->by_panels[tile_width(d, at->panel) - 1][d->rows + (at->turn < d->longer) - 1](job, at);
}

/* One block of k, row after row written as it lies. */
INLINE void block_by_rows(const struct tile_family *family, const struct deal *d, const struct rows *a,
                          const struct panels *b, struct tile *at, const void *job) {
  for (at->turn = 0; at->turn < d->tiles; at->turn++) {
    for (at->panel = d->first; at->panel < d->end; at->panel += tile_width(d, at->panel)) {
      panels_at(b, a, family->gates, at);
      tile_run(family, d, at, job);
    }
  }
}

/* One block of k, a tile's panels in L2, or in L1 if packed for it, while all rows pass by. Those of more than two tiles
 * are in use for longer than panels take to come, from wherever; two gain by what is in L2 yet (Emerald Rapids, LSTM of
 * 512 units, 8 rows: 4 to 6%). */
INLINE void block_by_panels(const struct tile_family *family, const struct deal *d, const struct rows *a,
                            const struct panels *b, struct tile *at, const void *job) {
  at->backwards = b->backwards && d->tiles <= 2;
  for (int64_t i = 0; i < d->widths; i++) {
    at->panel = tile_panel(d, i, at->backwards);
    if (b->pack) {
      panels_pack(b, a, family->gates, tile_width(d, at->panel), at);
    } else {
      panels_at(b, a, family->gates, at);
    }
    for (at->turn = 0; at->turn < d->tiles; at->turn++) tile_run(family, d, at, job);
  }
}

/* Runs a family over all of A and panels [first, end): where these are few enough to stay in L2, row by row, else for
 * blocks of k of which a tile's panels stay in L2 while all rows pass by. They need not stay in L1, which is filled as
 * fast as tiles use them up, and sums that come back in short blocks cost more: up to 8% of a forward (Zen 4, AVX2 and
 * AVX-512, LSTM of 256 and 512 units, 32 rows). */
INLINE void tiles_run(const struct tile_family *family, const struct rows *a, int64_t part, const struct panels *b,
                      int64_t first, int64_t end, const struct rf_cache *cache, const void *job) {
  const struct deal d = tiles_deal(a->count, first, end, family->gates);
  const int64_t row_bytes = family->gates * VEC_LANES * (int64_t)sizeof(real), width = rows_width(a);
  const int64_t all = width * row_bytes * (end - first);
  const int by_rows = all <= cache->l2_share / 4 && !b->pack;  /* the rest is for A and C */
  const int whole = by_rows || (d.tiles == 1 && !b->pack);
  const int64_t most = b->pack ? cache->l1_share : cache->l2_share;
  const int64_t block = whole ? width : most / (d.wide * row_bytes);
  /* What is in L2 comes into L1 by itself; other matrices may have taken its place, but few tiles pay too much to ask. */
  const int fetches = !by_rows && !b->pack && all * d.tiles > 2 * cache->l2_share;
  struct tile at = tile_start(a, part);
  while (d.tiles > 0 && next_block(a, block, &at)) {
    share_fetching(&at, fetches ? d.tiles : 1, row_bytes);
    if (by_rows) {
      block_by_rows(family, &d, a, b, &at, job);
    } else {
      block_by_panels(family, &d, a, b, &at, job);
    }
  }
}

#endif
