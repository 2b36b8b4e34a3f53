/* narrow_bytes.h - weights of a byte times rows as digits (narrow_digits.h), by a processor that sums products of bytes by
 * itself (AVX512_VNNI): nothing is widened, and sums of a part are exact.
 *
 * Of a product's bytes the processor takes one without a sign: weights, 128 added, which the digits' own sum times -128
 * makes up for. */
#ifndef RF_NARROW_BYTES_H
#define RF_NARROW_BYTES_H

#include <stdint.h>
#include <string.h>
#include RF_VEC_H
#include "product/narrow.h"
#include "product/narrow_digits.h"
#include "product/narrow_parts.h"
#include "product/narrow_rows.h"
#include "product/narrow_widened.h"
#include "system/arena.h"
#include "system/compiler.h"

enum { BYTES_ROWS = 8 };

/* Weights of more vectors than an L2 has, 8 MiB, are fetched twice as wide as they are used: from memory they come in order
 * then (Emerald Rapids, one row, LSTM steps of 4096 units: 0.8 times as long; of 1024, whose weights are 4 MiB, 1.1 times). */
enum { FAR_VECTORS = 1 << 17 };

/* What sums of a part's digits stand for. `unit` times `scale` is exact, a power of two times a scale, and as large as
 * products are: of large inputs no sum is lost that its scale would have made small again, and none of small ones. */
INLINE vec digits_sum(const __m512i *digit, float unit, vec scale) {
  vec sum = v_mul(_mm512_cvtepi32_ps(digit[0]), v_set1(0x1p-29f));
  sum = v_fma(_mm512_cvtepi32_ps(digit[1]), v_set1(0x1p-21f), sum);
  sum = v_fma(_mm512_cvtepi32_ps(digit[2]), v_set1(0x1p-13f), sum);
  sum = v_fma(_mm512_cvtepi32_ps(digit[3]), v_set1(0x1p-5f), sum);
  return v_mul(sum, v_mul(v_set1(unit), scale));
}

/* Adds products of what digits left of a block's small numbers to a row's sums. */
static void small_add(const struct product_narrow *p, int64_t row, const struct block *block, const void *made) {
  const struct digits *d = made;
  for (int64_t vector = p->first, next; d->small && vector < p->end; vector = next) {
    const int64_t strip = vector / STRIP_VECTORS * STRIP_VECTORS + STRIP_VECTORS, step = strip_step(p, vector);
    next = strip < p->end ? strip : p->end;
    int64_t offset[STRIP_VECTORS];
    gate_offsets(p->gates, p->slot, p->slots, vector, (int)(next - vector), offset);
    for (int n = 0; n < d->small; n++) {
      const real *line = strip_lines(p, vector) + (block->line + d->at[n] / 4) * step;
      const __m128i above = _mm_cvtsi32_si128(24 - d->at[n] % 4 * 8);
      for (int v = 0; v < next - vector; v++) {
        const __m512i fours = _mm512_loadu_si512(line + v * VEC_LANES);
        const vec weights = _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_sll_epi32(fours, above), 24));
        real *to = p->to[row] + offset[v];
        v_store(to, v_fma(v_mul(weights, v_set1(d->left[n])), v_load(p->scale + (vector + v) * VEC_LANES), v_load(to)));
      }
    }
  }
}

/* The sums of a row's block for V vectors of a strip. */
WITH_BYTES INLINE void bytes_multiply(const int V, const struct narrow_tile *t, const struct digits *d) {
  const struct block *block = t->block;
  const int64_t step = strip_step(t->p, t->vector);
  const real *b = strip_lines(t->p, t->vector) + block->line * step;
  const real *scale = t->p->scale + t->vector * VEC_LANES;
  const int8_t *digit = d->digit[0];
  const __m512i sign = _mm512_set1_epi8(-128);
  const int far = t->p->vectors * t->p->a.segments * rf_weight_lines(t->p->a.size, t->p->type) > FAR_VECTORS;
  for (int q = 0; q < block->parts; q++) {
    __m512i acc[STRIP_VECTORS][DIGITS];
    UNROLL for (int j = 0; j < DIGITS; j++) {
      UNROLL for (int v = 0; v < V; v++) acc[v][j] = _mm512_set1_epi32(d->start[q][j]);
    }
    for (int64_t line = 0; line < block->part[q].lines; line++, b += step, digit += 4) {
      lines_fetch(V, b);
      if (far) lines_fetch(V, b + V * VEC_LANES);
      __m512i of_row[DIGITS];
      UNROLL for (int j = 0; j < DIGITS; j++) {
        int32_t four;
        memcpy(&four, digit + j * (int64_t)sizeof d->digit[0], sizeof four);
        of_row[j] = _mm512_set1_epi32(four);
      }
      UNROLL for (int v = 0; v < V; v++) {
        const __m512i weights = _mm512_xor_si512(_mm512_loadu_si512(b + v * VEC_LANES), sign);
        UNROLL for (int j = 0; j < DIGITS; j++) acc[v][j] = _mm512_dpbusd_epi32(acc[v][j], weights, of_row[j]);
      }
    }
    /* Else gcc keeps sums twice, for the next line and for afterwards. */
    UNROLL for (int j = 0; j < DIGITS; j++) { UNROLL for (int v = 0; v < V; v++) __asm__("" : "+v"(acc[v][j])); }
    vec sum[STRIP_VECTORS];
    UNROLL for (int v = 0; v < V; v++) sum[v] = digits_sum(acc[v], d->unit[q], v_load(scale + v * VEC_LANES));
    part_add(RF_WEIGHT_BF16, 1, V, t, block->line == 0 && q == 0, sum);
  }
}

#define BYTES_FUNCTION(V)                                                                                              \
  WITH_BYTES NOINLINE void bytes_##V(const struct narrow_tile *t, const struct digits *d) { bytes_multiply(V, t, d); }
BYTES_FUNCTION(1)
BYTES_FUNCTION(2)
BYTES_FUNCTION(4)

static int bytes_widest(int rows) {
  (void)rows;
  return 2;
}

static void bytes_tile(const struct narrow_tile *t, int rows, int width, const void *made) {
  static void (*const by_width[])(const struct narrow_tile *, const struct digits *) = {bytes_1, bytes_2, bytes_4};
  (void)rows;
  by_width[width](t, made);
}

static const struct way bytes_way = {sizeof(struct digits), BYTES_ROWS, 1,        bytes_widest,
                                     digits_make,           bytes_tile, small_add};

static void bytes_run(const struct product_narrow *p, int64_t first, int64_t end) {
  _Alignas(RF_LINE) struct digits made[BYTES_ROWS];
  rows_run(p, &bytes_way, first, end, (char *)made);
}

/* All rows, by `run` as their digits, whose sums are exact: parts are as long as blocks (with AMX 32 rows take 0.7 times as
 * long as with the parts of float32). Other rows' weights are widened. */
static void bytes_rows(const struct product_narrow *p, void (*run)(const struct product_narrow *, int64_t, int64_t)) {
  const struct product_narrow whole = parts_of_blocks(p);
  for (int64_t first = 0, end; first < p->a.count; first = end) {
    const int even = row_even(&p->a, first);
    for (end = first + 1; end < p->a.count && row_even(&p->a, end) == even;) end++;
    if (even) {
      run(&whole, first, end);
    } else {
      widened_rows(p, first, end);
    }
  }
}

#endif
