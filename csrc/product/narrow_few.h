/* narrow_few.h - weights of a narrow type widened in registers on their way to multiply-adds with a few rows. */
#ifndef RF_NARROW_FEW_H
#define RF_NARROW_FEW_H

#include <stddef.h>
#include <stdint.h>
#include RF_VEC_H
#include "product/narrow.h"
#include "product/narrow_parts.h"
#include "product/narrow_rows.h"
#include "system/compiler.h"
#include "vec/weights.h"

enum { WIDENED_ROWS = 12, WIDENED_TILE = 4 };

#define WIDENED_SUMS (VEC_REGISTERS == 32 ? 16 : 8)
#define WIDENED_FITS(R, V) ((R) * (V) <= WIDENED_SUMS)

static int widened_widest(int rows) {
  int width = 3;
  while (!WIDENED_FITS(rows, 1 << width)) width--;
  return width;
}

/* A block's numbers as weights are multiplied by them, every stretch filled up with zeros to whole lines. */
typedef real widened_row[BLOCK_NUMBERS + VEC_LANES];

static void widened_make(const struct product_narrow *p, int64_t row, const struct block *block, void *made) {
  const vec factor = weight_left(p->type, 1);
  real *to = made;
  for (int q = 0; q < block->parts; q++) {
    const struct part *part = &block->part[q];
    const int64_t count = part->to - part->from, filled = rf_weight_lines(count, p->type) << p->type;
    for (int64_t k = part->segment; k < part->last; k++, to += filled) {
      const real *at = p->a.row[row] + k * p->a.stride + part->from;
      for (int64_t i = 0; i < count; i += VEC_LANES) v_store(to + i, v_mul(v_load_n(at + i, count - i), factor));
      for (int64_t i = count; i < filled; i++) to[i] = 0;
    }
  }
}

/* acc[n] += the numbers of a line times one row's: some lines beside one another, so that multiply-adds of one need not
 * wait for those before. */
#define LINES_AT_ONCE (VEC_REGISTERS == 32 ? 4 : 1)
INLINE void line_multiply(const int type, const int V, const real *row, const real *b, vec *acc) {
  vec a[4];
  UNROLL for (int j = 0; j < rf_weight_group(type); j++) a[j] = v_set1(row[j]);
  UNROLL for (int n = 0; n < V; n += LINES_AT_ONCE) {
    weight_line line[LINES_AT_ONCE];
    UNROLL for (int m = 0; m < LINES_AT_ONCE; m++) {
      if (n + m < V) line[m] = weight_load(1, b + (n + m) * VEC_LANES);
    }
    UNROLL for (int j = 0; j < rf_weight_group(type); j++) {
      UNROLL for (int m = 0; m < LINES_AT_ONCE; m++) {
        if (n + m < V) acc[n + m] = v_fma(a[j], weight_number(type, line[m], j), acc[n + m]);
      }
    }
  }
}

/* The same for several rows, for all of which a vector of weights is widened once; if it `keeps` them, written to `wide`. */
INLINE void line_multiply_rows(const int type, const int R, const int V, const widened_row *row, int64_t i,
                               const real *b, vec *acc, const int keeps, real *wide) {
  UNROLL for (int j = 0; j < rf_weight_group(type); j++) {
    vec left[WIDENED_TILE]; /* read once, since it might be what is written */
    UNROLL for (int r = 0; r < R; r++) left[r] = v_set1(row[r][i + j]);
    UNROLL for (int n = 0; n < V; n++) {
      vec right = weight_number(type, weight_load(type == RF_WEIGHT_BF16, b + n * VEC_LANES), j);
      v_keep(&right);
      if (keeps) v_store(wide + (j * V + n) * VEC_LANES, right);
      UNROLL for (int r = 0; r < R; r++) acc[r * V + n] = v_fma(left[r], right, acc[r * V + n]);
    }
  }
}

INLINE void widened_multiply(const int type, const int R, const int V, const struct narrow_tile *t,
                             const widened_row *row, const int keeps, real *wide) {
  const int64_t step = strip_step(t->p, t->vector);
  const real *b = strip_lines(t->p, t->vector) + t->block->line * step;
  int64_t i = 0;
  for (int q = 0; q < t->block->parts; q++) {
    vec acc[WIDENED_SUMS];
    UNROLL for (int n = 0; n < R * V; n++) acc[n] = v_set1(0);
    for (int64_t end = i + (t->block->part[q].lines << type); i < end; i += rf_weight_group(type), b += step) {
      lines_fetch(V, b);
      if (R == 1) {
        line_multiply(type, V, row[0] + i, b, acc);
      } else {
        line_multiply_rows(type, R, V, row, i, b, acc, keeps, wide);
        if (keeps) wide += rf_weight_group(type) * V * VEC_LANES;
      }
    }
    part_add(type, R, V, t, t->block->line == 0 && q == 0, acc);
  }
}

/* A function for every R and V in use, both constants, since only then does a compiler keep sums in registers. */
typedef void widened_function(const struct narrow_tile *t, const widened_row *row);
#define WIDENED_FUNCTION(name, type, R, V)                                                                             \
  NOINLINE void name##_##R##x##V(const struct narrow_tile *t, const widened_row *row) {                                \
    if (WIDENED_FITS(R, V)) {                                                                                          \
      widened_multiply(type, R, V, t, row, 0, NULL);                                                                   \
    } else {                                                                                                           \
      __builtin_trap();                                                                                                \
    }                                                                                                                  \
  }
#define WIDENED_FUNCTIONS_OF(name, type, R)                                                                            \
  WIDENED_FUNCTION(name, type, R, 1)                                                                                   \
  WIDENED_FUNCTION(name, type, R, 2)                                                                                   \
  WIDENED_FUNCTION(name, type, R, 4)                                                                                   \
  WIDENED_FUNCTION(name, type, R, 8)                                                                                   \
  static widened_function *const name##_##R[] = {name##_##R##x1, name##_##R##x2, name##_##R##x4, name##_##R##x8};
#define WIDENED_FUNCTIONS(name, type)                                                                                  \
  WIDENED_FUNCTIONS_OF(name, type, 1)                                                                                  \
  WIDENED_FUNCTIONS_OF(name, type, 2)                                                                                  \
  WIDENED_FUNCTIONS_OF(name, type, 3)                                                                                  \
  WIDENED_FUNCTIONS_OF(name, type, 4)                                                                                  \
  static widened_function *const *const name[WIDENED_TILE] = {name##_1, name##_2, name##_3, name##_4};
WIDENED_FUNCTIONS(widened_bf16, RF_WEIGHT_BF16)
WIDENED_FUNCTIONS(widened_i8, RF_WEIGHT_I8)

static void widened_tile(const struct narrow_tile *t, int rows, int width, const void *made) {
  static widened_function *const *const *const by_type[RF_WEIGHT_TYPES] = {NULL, widened_bf16, widened_i8};
  by_type[t->p->type][rows - 1][width](t, made);
}

static const struct way widened_way = {sizeof(widened_row), WIDENED_ROWS, WIDENED_TILE, widened_widest,
                                       widened_make,        widened_tile, NULL};

static void few_rows(const struct product_narrow *p, int64_t first, int64_t end) {
  widened_row made[WIDENED_ROWS];
  rows_run(p, &widened_way, first, end, (char *)made);
}

#endif
