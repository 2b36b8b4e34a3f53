/* transposed.h - columns of a matrix whose rows lie in memory, as vectors. */
#ifndef RF_TRANSPOSED_H
#define RF_TRANSPOSED_H

#include <stdint.h>
#include RF_VEC_H
#include "system/compiler.h"

/* Columns of a matrix from `from` on, `stride` numbers from one row to the next: `rows` rows are there, of as many as a vector has
 * lanes, and the others zeros; `left` numbers of each, and what is beyond them is not read. Leaves column after column. */
INLINE void load_transposed(const real *from, int64_t stride, int64_t rows, int64_t left, vec *m) {
  if (rows >= VEC_LANES && left >= VEC_LANES) {
    UNROLL for (int r = 0; r < VEC_LANES; r++) m[r] = v_load(from + r * stride);
  } else {
    UNROLL for (int r = 0; r < VEC_LANES; r++) m[r] = r < rows ? v_load_n(from + r * stride, left) : v_set1(0);
  }
  v_transpose(m);
}

/* The first `count` of these columns, `step` numbers from one to the next. */
INLINE void store_columns(const vec *m, int64_t count, real *to, int64_t step) {
  if (count >= VEC_LANES) {
    UNROLL for (int i = 0; i < VEC_LANES; i++) v_store(to + i * step, m[i]);
  } else {
    UNROLL for (int i = 0; i < VEC_LANES; i++) {
      if (i < count) v_store(to + i * step, m[i]);
    }
  }
}

#endif
