/* pairs.c - products of numbers rounded to bfloat16; compiled per instruction set, with what its processors may lack. */
#include "vec/pairs.h"

#define TILE_OF_PAIRS PAIRS_THERE
#include "product/pairs.h"

#if PAIRS_THERE
#include <string.h>
#include "product/gemm.h"
#include "product/operands.h"
#include "product/summation.h"
#include "product/tile.h"
#include "product/transposed.h"
#include "system/compiler.h"
#include "system/cpu.h"

static int pairs_there(void) { return (rf_cpu_features_once() & RF_CPU_AVX512BF16) != 0; }

INLINE void pairs_tile(const int R, const int V, const void *job, const struct tile *at) {
  const struct product_pairs *p = job;
  real *const *c = p->of.c + at->row;
  const real *bias[TILE_ROWS_MOST];
  UNROLL for (int r = 0; r < R; r++) bias[r] = p->bias;
  const real *const *from = p->of.overwrite ? NULL : (const real *const *)c;
  if (p->bias) from = bias;
  struct sums sums = {at->first ? from : (const real *const *)c, c, .columns = INT64_MAX};
  if (p->slots == 1) sums.columns = p->of.columns - at->panel * VEC_LANES;
  gate_offsets(p->gates, p->slot, p->slots, at->panel, V, sums.offset);
  tile_multiply(R, V, 1, &sums, at, &p->of.a, p->of.a_step);
}

TILE_FUNCTIONS(pairs_tile, 1)

static void pairs_product(const struct product_pairs *p) {
  const int64_t end = p->slots == 1 ? (p->of.columns + VEC_LANES - 1) / VEC_LANES : p->of.columns / VEC_LANES;
  tiles_run(&pairs_tile_family, &p->of.a, SUM_PAIRS, &p->of.b, p->of.first, end, p->of.cache, p);
}

/* Neighbours among 32 numbers, of which `left` are there, the others zeros. */
INLINE vec pairs_load(const real *from, int64_t left) {
  if (left >= 2 * VEC_LANES) return v_pairs_along(v_load(from), v_load(from + VEC_LANES));
  return v_pairs_along(v_load_n(from, left),
                       left > VEC_LANES ? v_load_n(from + VEC_LANES, left - VEC_LANES) : v_set1(0));
}

static void pairs_rounded(const real *from, int64_t count, real *to) {
  for (int64_t i = 0; i < count; i += 2 * VEC_LANES) {
    v_store_n(to + i / 2, (count - i + 1) / 2, pairs_load(from + i, count - i));
  }
}

static void pairs_columns(const real *w, int64_t stride, int64_t rows, int64_t count, real *to) {
  for (int64_t i = 0; i < count; i += 2 * VEC_LANES) {
    vec m[VEC_LANES];
    if (rows >= VEC_LANES && count - i >= 2 * VEC_LANES) {
      UNROLL for (int r = 0; r < VEC_LANES; r++) m[r] = pairs_load(w + r * stride + i, 2 * VEC_LANES);
    } else {
      UNROLL for (int r = 0; r < VEC_LANES; r++) {
        m[r] = r < rows ? pairs_load(w + r * stride + i, count - i) : v_set1(0);
      }
    }
    v_transpose(m);
    store_columns(m, pairs_of(count - i), to + i / 2 * VEC_LANES, VEC_LANES);
  }
}

INLINE vec line_load(const real *row, int64_t left) { return left >= VEC_LANES ? v_load(row) : v_load_n(row, left); }

static void pairs_lines(const real *w, int64_t stride, int64_t rows, int64_t count, int64_t left, real *to) {
  for (int64_t k = 0; k < count; k += 2, w += 2 * stride, to += VEC_LANES) {
    const vec even = k < rows ? line_load(w, left) : v_set1(0),
              odd = k + 1 < rows ? line_load(w + stride, left) : v_set1(0);
    v_store(to, v_pairs_across(even, odd));
  }
}

static void pairs_lines_of(const real *const *row, int64_t column, int64_t count, int64_t left, real *to) {
  for (int64_t k = 0; k < count; k += 2, to += VEC_LANES) {
    const vec odd = k + 1 < count ? line_load(row[k + 1] + column, left) : v_set1(0);
    v_store(to, v_pairs_across(line_load(row[k] + column, left), odd));
  }
}

/* Tiles of a vector's pairs at a time: three vectors are eight tiles. */
enum { TILES_NUMBERS = 3 * VEC_LANES };

static void pairs_tiles(const real *const *row, int64_t count, int64_t first, int64_t end, real *to) {
  const int64_t lines = pairs_of(count);
  for (int64_t m = first; m < end; m += TILES_NUMBERS, to += TILES_NUMBERS * lines) {
    const int64_t numbers = end - m < TILES_NUMBERS ? end - m : TILES_NUMBERS;
    for (int64_t k = 0; k < count; k += 2) {
      real pair[TILES_NUMBERS];
      for (int64_t i = 0; i < numbers; i += VEC_LANES) {
        const vec odd = k + 1 < count ? line_load(row[k + 1] + m + i, numbers - i) : v_set1(0);
        v_store(pair + i, v_pairs_across(line_load(row[k] + m + i, numbers - i), odd));
      }
      for (int64_t i = 0; i < numbers; i += TILE_ROWS_PLAIN) {
        memcpy(to + (i * lines + k / 2 * TILE_ROWS_PLAIN), pair + i, TILE_ROWS_PLAIN * sizeof *pair);
      }
    }
  }
}

const struct rf_pairs RF_PAIRS_NAME = {pairs_there, pairs_product,  pairs_rounded, pairs_columns,
                                       pairs_lines, pairs_lines_of, pairs_tiles};
#else
static int pairs_there(void) { return 0; }

const struct rf_pairs RF_PAIRS_NAME = {.there = pairs_there};
#endif
