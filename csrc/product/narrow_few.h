/* narrow_few.h - a few rows times weights of a narrow type, which are widened in registers on their way. */
#ifndef RF_NARROW_FEW_H
#define RF_NARROW_FEW_H

#include <stddef.h>
#include <stdint.h>
#include RF_VEC_H
#include "product/narrow.h"
#include "product/summation.h"
#include "system/compiler.h"
#include "vec/weights.h"

/* Bytes of weights that are asked for before their turn: they come from beyond L1, faster than a processor sees by itself. */
#define FETCH_AHEAD 4096

/* Rows of a tile; beyond so many weights are better widened for all rows at once. */
#define NARROW_ROWS 4
#define NARROW_SUMS (VEC_REGISTERS == 32 ? 16 : 8)
#define NARROW_FITS(R, V) ((R) * (V) <= NARROW_SUMS)

/* Which rows and vectors a tile multiplies, and where in a row sums of these go. */
struct narrow_tile {
  const struct product_narrow *p;
  int64_t row, vector, offset[STRIP_VECTORS];
};

/* The next tile of a strip from `vector` on, of so many vectors as a power of two, `most` at most, which it returns. */
static int tile_next(struct narrow_tile *t, int most) {
  const int width = strip_width(t->p, t->vector, most);
  narrow_offsets(t->p, t->vector, 1 << width, t->offset);
  return width;
}

/* acc[n] += row[k] * b[n] for the numbers of a line, `left` of which are there: line after line, such that each is loaded
 * once, some beside one another so that multiply-adds of one need not wait for those before. */
#define LINES_AT_ONCE (VEC_REGISTERS == 32 ? 4 : 1)
INLINE void line_multiply(const int type, const int V, const real *row, int64_t left, const real *b, vec *acc) {
  const int group = rf_weight_group(type);
  vec a[4];
  if (left >= group) {
    UNROLL for (int j = 0; j < group; j++) a[j] = weight_left(type, row[j]);
  } else {
    UNROLL for (int j = 0; j < group; j++) a[j] = j < left ? weight_left(type, row[j]) : v_set1(0);
  }
  UNROLL for (int n = 0; n < V; n += LINES_AT_ONCE) {
    UNROLL for (int j = 0; j < group; j++) {
      UNROLL for (int m = n; m < n + LINES_AT_ONCE; m++) {
        if (m < V) acc[m] = v_fma(a[j], weight_load(type, b + m * VEC_LANES, j), acc[m]);
      }
    }
  }
}

/* Numbers of several rows as weights of a type are multiplied by them, in a part at most. */
typedef real rows_copy[NARROW_ROWS][SUM_PART_MOST];

/* Numbers [from, to) of segment k of so many rows, and zeros behind them. */
NOINLINE void rows_left(const struct narrow_tile *t, int rows, int64_t k, int64_t from, int64_t to, rows_copy copy) {
  const struct rows *a = &t->p->a;
  const vec factor = weight_left(t->p->type, 1);
  for (int r = 0; r < rows; r++) {
    const real *row = a->row[t->row + r] + k * a->stride;
    for (int64_t i = from; i < to; i += VEC_LANES) {
      v_store(copy[r] + (i - from), v_mul(v_load_n(row + i, to - i), factor));
    }
    for (int64_t i = to - from; i % rf_weight_group(t->p->type) > 0; i++)
      copy[r][i] = 0; /* a line, where vectors are short */
  }
}

/* As line_multiply for several rows from their number `i` on: a vector of weights is widened once for all of them. */
INLINE void line_multiply_rows(const int type, const int R, const int V, rows_copy row, int64_t i, const real *b,
                               vec *acc) {
  UNROLL for (int j = 0; j < rf_weight_group(type); j++) {
    UNROLL for (int n = 0; n < V; n++) {
      vec right = weight_load(type, b + n * VEC_LANES, j);
      v_keep(&right);
      UNROLL for (int r = 0; r < R; r++) acc[r * V + n] = v_fma(v_set1(row[r][i + j]), right, acc[r * V + n]);
    }
  }
}

/* Adds a part's sums to what a row has, or has to begin with. */
INLINE void part_add(const int type, const int R, const int V, const struct narrow_tile *t, int begins, vec *acc) {
  const struct product_narrow *p = t->p;
  UNROLL for (int n = 0; n < V; n++) {
    const int64_t offset = t->offset[n];
    UNROLL for (int r = 0; r < R; r++) {
      real *to = p->to[t->row + r] + offset;
      vec sum = acc[r * V + n];
      if (type == RF_WEIGHT_I8) sum = v_mul(sum, v_load(p->scale + (t->vector + n) * VEC_LANES));
      if (!begins || (!p->bias && !p->overwrite)) {
        sum = v_add(v_load(to), sum);
      } else if (p->bias) {
        sum = v_add(v_load(p->bias + offset), sum);
      }
      v_store(to, sum);
    }
  }
}

/* The sums of R rows and V vectors of a strip, part by part. */
INLINE void narrow_multiply(const int type, const int R, const int V, const struct narrow_tile *t) {
  const struct rows *a = &t->p->a;
  const int64_t step = strip_step(t->p, t->vector), part = t->p->part;
  const int64_t some = a->size > 0 && a->size < part ? part / a->size : 1; /* whole segments of a part */
  const real *b = strip_lines(t->p, t->vector);
  rows_copy copy;
  for (int64_t segment = 0, last; segment < a->segments; segment = last) {
    last = segment + some < a->segments ? segment + some : a->segments;
    for (int64_t from = 0, to; from < a->size; from = to) {
      to = from + part < a->size ? from + part : a->size;
      vec acc[NARROW_SUMS];
      UNROLL for (int n = 0; n < R * V; n++) acc[n] = v_set1(0);
      for (int64_t k = segment; k < last; k++) {
        const real *alone = a->row[t->row] + k * a->stride;
        if (R > 1) rows_left(t, R, k, from, to, copy);
        for (int64_t i = from; i < to; i += rf_weight_group(type), b += step) {
          UNROLL for (int n = 0; n < V; n++) __builtin_prefetch((const char *)(b + n * VEC_LANES) + FETCH_AHEAD);
          if (R == 1) {
            line_multiply(type, V, alone + i, to - i, b, acc);
          } else {
            line_multiply_rows(type, R, V, copy, i - from, b, acc);
          }
        }
      }
      part_add(type, R, V, t, segment == 0 && from == 0, acc);
    }
  }
}

/* A function for every R and V in use, both constants, since only then does a compiler keep sums in registers. */
typedef void narrow_function(const struct narrow_tile *t);
#define NARROW_FUNCTION(name, type, R, V)                                                                              \
  NOINLINE void name##_##R##x##V(const struct narrow_tile *t) {                                                        \
    if (NARROW_FITS(R, V)) {                                                                                           \
      narrow_multiply(type, R, V, t);                                                                                  \
    } else {                                                                                                           \
      __builtin_trap();                                                                                                \
    }                                                                                                                  \
  }
#define NARROW_FUNCTIONS_OF(name, type, V)                                                                             \
  NARROW_FUNCTION(name, type, 1, V)                                                                                    \
  NARROW_FUNCTION(name, type, 2, V)                                                                                    \
  NARROW_FUNCTION(name, type, 3, V)                                                                                    \
  NARROW_FUNCTION(name, type, 4, V)
#define NARROW_FUNCTIONS(name, type)                                                                                   \
  NARROW_FUNCTIONS_OF(name, type, 1)                                                                                   \
  NARROW_FUNCTIONS_OF(name, type, 2)                                                                                   \
  NARROW_FUNCTIONS_OF(name, type, 4)                                                                                   \
  NARROW_FUNCTIONS_OF(name, type, 8)                                                                                   \
  static narrow_function *const name[NARROW_ROWS][4] = {{name##_1x1, name##_1x2, name##_1x4, name##_1x8},              \
                                                        {name##_2x1, name##_2x2, name##_2x4, name##_2x8},              \
                                                        {name##_3x1, name##_3x2, name##_3x4, name##_3x8},              \
                                                        {name##_4x1, name##_4x2, name##_4x4, name##_4x8}};
NARROW_FUNCTIONS(narrow_bf16, RF_WEIGHT_BF16)
NARROW_FUNCTIONS(narrow_i8, RF_WEIGHT_I8)

/* Rows [first, end), some at a time, dealt evenly, by all vectors. */
static void few_rows(const struct product_narrow *p, int64_t first, int64_t end) {
  const int64_t tiles = (end - first + NARROW_ROWS - 1) / NARROW_ROWS;
  for (int64_t tile = 0; tile < tiles; tile++) {
    const int64_t from = (end - first) * tile / tiles, count = (end - first) * (tile + 1) / tiles - from;
    for (struct narrow_tile t = {p, first + from, p->first, {0}}; t.vector < p->end;) {
      int most = 3;
      while (!NARROW_FITS(count, 1 << most)) most--;
      const int width = tile_next(&t, most);
      (p->type == RF_WEIGHT_BF16 ? narrow_bf16 : narrow_i8)[count - 1][width](&t);
      t.vector += 1 << width;
    }
  }
}

#endif
