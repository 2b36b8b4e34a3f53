/* narrow_rows.h - some rows at a time, made into what a way of multiplying takes, pass by all strips of weights. */
#ifndef RF_NARROW_ROWS_H
#define RF_NARROW_ROWS_H

#include <stddef.h>
#include <stdint.h>
#include RF_VEC_H
#include "product/narrow.h"
#include "product/narrow_parts.h"
#include "system/compiler.h"

/* Which rows and vectors a tile multiplies, and where in a row the sums of these go. */
struct narrow_tile {
  const struct product_narrow *p;
  const struct block *block;
  int64_t row, vector, offset[STRIP_VECTORS];
};

/* A way: what it makes of a row's block, in `bytes`, of how many rows at a time, and products of up to `tile` rows with
 * as many vectors as `widest` says of that many rows, a power of two; then what is left to be done for a row, if not NULL. */
struct way {
  size_t bytes;
  int rows, tile;
  int (*widest)(int rows);
  void (*make)(const struct product_narrow *p, int64_t row, const struct block *block, void *made);
  void (*multiply)(const struct narrow_tile *t, int rows, int width, const void *made);
  void (*finish)(const struct product_narrow *p, int64_t row, const struct block *block, const void *made);
};

/* A strip's vectors from `vector` on by a block of some rows, in tiles of `each`. */
static void rows_strip(const struct product_narrow *p, const struct way *way, int64_t vector, int64_t first, int rows,
                       int each, const struct block *block, const char *made) {
  const int64_t next = vector - vector % STRIP_VECTORS + STRIP_VECTORS, end = next < p->end ? next : p->end;
  for (struct narrow_tile t = {.p = p, .block = block, .vector = vector}; t.vector < end;) {
    const int width = strip_width(p, t.vector, way->widest(each));
    gate_offsets(p->gates, p->slot, p->slots, t.vector, 1 << width, t.offset);
    for (int row = 0; row < rows; row += each) {
      t.row = first + row;
      way->multiply(&t, each, width, made + (size_t)row * way->bytes);
    }
    t.vector += 1 << width;
  }
}

/* All strips. */
static void rows_strips(const struct product_narrow *p, const struct way *way, int64_t first, int rows, int each,
                        const struct block *block, const char *made) {
  const int64_t from = p->first / STRIP_VECTORS, last = (p->end - 1) / STRIP_VECTORS;
  for (int64_t i = from; i <= last && p->end > p->first; i++) {
    const int64_t vector = (p->backwards ? from + last - i : i) * STRIP_VECTORS;
    rows_strip(p, way, vector > p->first ? vector : p->first, first, rows, each, block, made);
  }
}

/* Rows [first, end) by all vectors that are wanted. `made`: memory for way->rows. */
static void rows_run(const struct product_narrow *p, const struct way *way, int64_t first, int64_t end, char *made) {
  for (int64_t row = first; row < end; row += way->rows) {
    const int rows = end - row < way->rows ? (int)(end - row) : way->rows, rest = rows % way->tile, full = rows - rest;
    struct block block = {0};
    while (block_next(p, &block)) {
      for (int r = 0; r < rows; r++) way->make(p, row + r, &block, made + (size_t)r * way->bytes);
      if (full) rows_strips(p, way, row, full, way->tile, &block, made);
      if (rest) rows_strips(p, way, row + full, rest, rest, &block, made + (size_t)full * way->bytes);
      for (int r = 0; way->finish && r < rows; r++) way->finish(p, row + r, &block, made + (size_t)r * way->bytes);
    }
  }
}

/* Asks for the lines of V vectors at once, before the first is used: up to a fifth where they are in L2. Further ahead a
 * processor fetches better by itself (Zen 4, one row: bfloat16 from L3 91 GB/s, 79 with 4 KiB ahead; from memory 29 and 20). */
#define LINE_VECTORS (RF_LINE / (int)sizeof(vec))
INLINE void lines_fetch(const int V, const real *b) {
  UNROLL for (int v = 0; v < V; v += LINE_VECTORS) __builtin_prefetch(b + v * VEC_LANES);
}

/* Adds a part's sums to what a row has, or, where the part `begins` it, has to begin with. A vector might be what a pointer
 * is read from, for all that a compiler knows, so all of them are read first. */
INLINE void part_add(const int type, const int R, const int V, const struct narrow_tile *t, int begins, vec *acc) {
  const struct product_narrow *p = t->p;
  const real *bias = begins ? p->bias : NULL, *scale = p->scale + t->vector * VEC_LANES;
  const int alone = begins && p->overwrite && !bias;
  int64_t offset[STRIP_VECTORS];
  real *to[STRIP_VECTORS];
  UNROLL for (int n = 0; n < V; n++) offset[n] = t->offset[n];
  UNROLL for (int r = 0; r < R; r++) to[r] = p->to[t->row + r];
  if (type == RF_WEIGHT_I8) {
    UNROLL for (int n = 0; n < V; n++) {
      const vec factor = v_load(scale + n * VEC_LANES);
      UNROLL for (int r = 0; r < R; r++) acc[r * V + n] = v_mul(acc[r * V + n], factor);
    }
  }
  UNROLL for (int r = 0; r < R; r++) {
    const real *from = bias ? bias : to[r];
    UNROLL for (int n = 0; n < V; n++) {
      const vec sum = acc[r * V + n];
      v_store(to[r] + offset[n], alone ? sum : v_add(v_load(from + offset[n]), sum));
    }
  }
}

#endif
