/* blocks.h - where a register tile stands, and how its sums are cut into blocks of k that the caches hold. */
#ifndef RF_BLOCKS_H
#define RF_BLOCKS_H

#include <stdint.h>
#include "product/operands.h"

#define CACHE_LINE 64
#define FETCH_PAUSE 8 /* numbers of k after which a tile fetches on */

/* Where a tile stands, and which numbers of its rows it sums: [from, to) of `segments` segments from `segment` on, cut
 * into parts of at most `part`, or, where segments are shorter, of `group` whole ones. */
struct tile {
  int64_t row, panel;
  int64_t segment, segments, from, to;
  int64_t part, group;
  const real *b; /* its panels at the first of these numbers */
  int64_t panel_size; /* numbers from one panel to the next */
  int64_t turn; /* which of the tiles this is that follow one another on these panels */
  int backwards; /* from the last panel to the first */
  int64_t fetch_share, fetch_step; /* bytes, see share_fetching */
  int first, last; /* the first or the last numbers of a row */
};

static inline struct tile tile_start(const struct rows *a, int64_t part) {
  return (struct tile){.part = part, .group = a->size > 0 && a->size < part ? part / a->size : 1, .first = 1};
}

/* Moves `at` on to the next block of k: some whole segments, or some parts of one, of about `most` numbers. 0 when none
 * is left. */
static inline int next_block(const struct rows *a, int64_t most, struct tile *at) {
  const int within = at->to > 0 && at->to < a->size;
  at->first = at->to == 0;
  at->segment += within ? 0 : at->segments;
  at->from = within ? at->to : 0;
  const int64_t segments_left = a->segments - at->segment, left = a->size - at->from;
  if (segments_left == 0 || a->size == 0) return 0;
  if (!within && most >= segments_left * a->size) {
    at->segments = segments_left;
    at->to = a->size;
    at->last = 1;
    return 1;
  }
  const int64_t groups = most / (a->size * at->group), parts = most > at->part ? most / at->part : 1;
  at->segments = groups > 0 && groups * at->group < segments_left ? groups * at->group : segments_left;
  at->to = a->size;
  if (groups == 0) {
    at->segments = at->group < segments_left ? at->group : segments_left;
    if (a->size > at->part && left > parts * at->part) at->to = at->from + parts * at->part;
  }
  at->last = at->to == a->size && at->segments == segments_left;
  return 1;
}

/* How much of the panels that come next each tile fetches into L2: its share, in steps, so that its own products hide how
 * long that takes. Whole panels would push out of L1 what is in use. Steps are short: of lines asked for at once a core can
 * wait for few, and behind more its other loads queue. Once for a block of k, because it divides. */
static inline void share_fetching(struct tile *at, int64_t turns, int64_t row_bytes) {
  const int64_t rows = at->segments * (at->to - at->from), pauses = (rows + FETCH_PAUSE - 1) / FETCH_PAUSE;
  at->fetch_share = turns > 1 ? (rows * row_bytes / turns / CACHE_LINE + 1) * CACHE_LINE : 0;
  at->fetch_step = turns > 1 ? (at->fetch_share / pauses / CACHE_LINE + 1) * CACHE_LINE : 0;
}

#endif
