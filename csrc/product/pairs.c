/* pairs.c - products of numbers rounded to bfloat16; compiled per instruction set, with what its processors may lack. */
#include "vec/pairs.h"

#define TILE_OF_PAIRS PAIRS_THERE
#include "product/pairs.h"

#if PAIRS_THERE
#include "product/gemm.h"
#include "product/narrow.h"
#include "product/operands.h"
#include "product/summation.h"
#include "product/tile.h"
#include "product/transposed.h"
#include "system/compiler.h"
#include "system/cpu.h"
#include "vec/tiles.h"

#if TILES_THERE
#include "product/pairs_tiles.h"
_Static_assert(sizeof(struct tiled_rows) <= ROOM_NUMBERS_LEAST * sizeof(real), "rows of tiles need more room");
#else
static void pairs_tiled(const struct product_pairs *p, int64_t first, int64_t end) { (void)p, (void)first, (void)end; }
#endif

static int pairs_there(void) { return tiles_able() ? NARROW_TILES : rf_cpu_pairs() ? NARROW_PAIRS : 0; }

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
  if (tiles_able()) {
    pairs_tiled(p, p->of.first, end);
  } else {
    tiles_run(&pairs_tile_family, &p->of.a, SUM_PAIRS, &p->of.b, p->of.first, end, p->of.cache, p);
  }
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

static void pairs_rows_of(const real *const *row, int64_t count, int64_t first, int64_t end, real *to) {
  const int64_t lines = pairs_of(count);
  for (int64_t m = first; m < end; m += VEC_LANES, to += VEC_LANES * lines) {
    for (int64_t k = 0; k < count; k += 2 * VEC_LANES) {
      vec pair[VEC_LANES];
      UNROLL for (int i = 0; i < VEC_LANES; i++) {
        const vec even = k + 2 * i < count ? line_load(row[k + 2 * i] + m, end - m) : v_set1(0);
        const vec odd = k + 2 * i + 1 < count ? line_load(row[k + 2 * i + 1] + m, end - m) : v_set1(0);
        pair[i] = v_pairs_across(even, odd);
      }
      v_transpose(pair);
      for (int i = 0; i < VEC_LANES && m + i < end; i++) v_store_n(to + i * lines + k / 2, lines - k / 2, pair[i]);
    }
  }
}

const struct rf_pairs RF_PAIRS_NAME = {pairs_there, pairs_product,  pairs_rounded, pairs_columns,
                                       pairs_lines, pairs_lines_of, pairs_rows_of};
#else
static int pairs_there(void) { return 0; }

const struct rf_pairs RF_PAIRS_NAME = {.there = pairs_there};
#endif
