/* tile.h - the register tile that all matrix products share: a few rows of A times a few panels of B. */
#ifndef RF_TILE_H
#define RF_TILE_H

#include <stddef.h>
#include <stdint.h>
#include RF_VEC_H
#include "product/blocks.h"
#include "product/operands.h"
#include "system/compiler.h"

/* A tile is R rows by V panels of G vectors, held in ACCUMULATORS registers at most; the rest hold operands. Fewer rows
 * take more panels, so that enough independent chains hide the latency of a multiply-add. */
#define ACCUMULATORS (VEC_REGISTERS == 32 ? 24 : 12)
#define TILE_ROWS_MOST 8
#define TILE_ROWS(G) (ACCUMULATORS / (G) <= TILE_ROWS_MOST ? ACCUMULATORS / (G) : 6)
#define TILE_ROWS_PLAIN TILE_ROWS(1) /* of products whose panels are one vector */
#define TILE_FITS(R, V, G) ((R) * (V) * (G) <= ACCUMULATORS)
#define TILE_PANELS(R, G) (TILE_FITS(R, 8, G) ? 8 : TILE_FITS(R, 4, G) ? 4 : TILE_FITS(R, 2, G) ? 2 : 1)

/* Where a tile's sums stand: vector n of row r at to[r] + offset[n]. What the first part is added to comes from `from`
 * instead, and is nothing where that is NULL. Only the first `columns` numbers of a row are there. */
struct sums {
  const real *const *from;
  real *const *to;
  int64_t offset[ACCUMULATORS];
  int64_t columns;
};

/* Rows of sums, of whole vectors or not. A vector might be what a pointer is read from, for all that a compiler knows, so
 * each row's pointers are read once. */
INLINE void sums_rows(const int R, const int N, const struct sums *s, const real *const *from, const vec *acc,
                      const int whole) {
  UNROLL for (int r = 0; r < R; r++) {
    const real *row = from ? from[r] : NULL;
    real *to = s->to[r];
    UNROLL for (int n = 0; n < N; n++) {
      const vec sum = acc[r * N + n];
      const int64_t at = s->offset[n], left = s->columns - n * VEC_LANES;
      if (whole) {
        v_store(to + at, from ? v_add(v_load(row + at), sum) : sum);
      } else {
        v_store_n(to + at, left, from ? v_add(v_load_n(row + at, left), sum) : sum);
      }
    }
  }
}

/* to[r] = from[r] + acc[r], or acc[r] alone where `from` is NULL: asked once for all rows. */
INLINE void sums_add(const int R, const int N, const struct sums *s, const real *const *from, const vec *acc) {
  const int whole = s->columns >= N * VEC_LANES;
  if (whole && from) {
    sums_rows(R, N, s, from, acc, 1);
  } else if (whole) {
    sums_rows(R, N, s, NULL, acc, 1);
  } else {
    sums_rows(R, N, s, from, acc, 0);
  }
}

/* Whoever includes this may have pairs multiplied in place of numbers. */
#ifndef TILE_OF_PAIRS
#define TILE_OF_PAIRS 0
#endif
#if TILE_OF_PAIRS
#define TILE_FMA v_fma_pairs
#else
#define TILE_FMA v_fma
#endif

/* acc[r][n] += row[r][k] * b[n], b in vectors, for one k. Whichever operand needs fewer registers stays in them
 * while the other passes. */
INLINE void tile_step(const int R, const int V, const int G, vec *acc, const real *const *row, ptrdiff_t k,
                      const real *b, ptrdiff_t panel_size) {
  const int N = V * G;
  vec kept[ACCUMULATORS];
  if (N <= R) {
    UNROLL for (int n = 0; n < N; n++) kept[n] = v_load(b + n / G * panel_size + n % G * VEC_LANES);
    UNROLL for (int r = 0; r < R; r++) {
      vec left = v_set1(row[r][k]);
      if (N > 1) v_keep(&left);
      UNROLL for (int n = 0; n < N; n++) acc[r * N + n] = TILE_FMA(left, kept[n], acc[r * N + n]);
    }
  } else {
    UNROLL for (int r = 0; r < R; r++) kept[r] = v_set1(row[r][k]);
    UNROLL for (int n = 0; n < N; n++) {
      vec right = v_load(b + n / G * panel_size + n % G * VEC_LANES);
      if (R > 1) v_keep(&right);
      UNROLL for (int r = 0; r < R; r++) acc[r * N + n] = TILE_FMA(kept[r], right, acc[r * N + n]);
    }
  }
}

/* The sums of a tile, part by part, for the numbers of k that it says. A's segments lie `stride` apart. One number counts
 * for all rows of A: to count each row's pointer up takes ports from multiply-adds (Emerald Rapids, AVX2: gradients'
 * products 75 to 82% of the peak, 88 to 95% without it). */
INLINE void tile_multiply(const int R, const int V, const int G, const struct sums *s, const struct tile *at,
                          const struct rows *a, ptrdiff_t a_step) {
  const real *row[TILE_ROWS_MOST];
  const real *b = at->b;
  const ptrdiff_t panel_size = at->panel_size, pause_size = FETCH_PAUSE * G * VEC_LANES;
  const char *ahead = (const char *)(b + (at->backwards ? -V : V) * panel_size) + at->turn * at->fetch_share;
  const real *const *from_rows = s->from;
  UNROLL for (int n = 0; n < R * V * G; n++) __builtin_prefetch(s->to[n / (V * G)] + s->offset[n % (V * G)], 1);
  UNROLL for (int r = 0; r < R; r++) row[r] = a->row[at->row + r];
  for (int64_t segment = at->segment, last = segment + at->segments, end; segment < last; segment = end) {
    end = segment + at->group < last ? segment + at->group : last;
    for (int64_t from = at->from, to; from < at->to; from = to) {
      to = from + at->part < at->to ? from + at->part : at->to;
      vec acc[ACCUMULATORS];
      UNROLL for (int n = 0; n < R * V * G; n++) acc[n] = v_set1(0);
      for (int64_t k = segment; k < end; k++) {
        const real *const stop = b + (to - from) * G * VEC_LANES;
        for (ptrdiff_t i = k * a->stride + from * a_step; b != stop;) {
          for (const char *fetched = ahead + at->fetch_step; ahead < fetched; ahead += CACHE_LINE) {
            UNROLL for (int v = 0; v < V; v++) __builtin_prefetch((const real *)ahead + v * panel_size, 0, 2);
          }
          const real *const pause = stop - b > pause_size ? b + pause_size : stop;
          for (; b != pause; b += G * VEC_LANES, i += a_step) {
            KEEP(i);
            tile_step(R, V, G, acc, row, i, b, panel_size);
          }
        }
      }
      sums_add(R, V * G, s, from_rows, acc);
      from_rows = (const real *const *)s->to;
    }
  }
}

#endif
