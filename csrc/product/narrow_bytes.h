/* narrow_bytes.h - weights of a byte times rows as whole numbers of three, for processors that sum products of bytes by
 * themselves (AVX512_VNNI): nothing is widened, and sums of a part are exact.
 *
 * A part of a row becomes whole numbers of 24 bits, of steps so small that its largest number keeps its own but for the
 * last: errors are those of a sum in float32, unless that number is far larger than the others (row_even). Each is three
 * digits from -128 to 127. Of a product's bytes the processor takes one without a sign: weights, 128 added, which the
 * digits' own sum times -128 makes up for. */
#ifndef RF_NARROW_BYTES_H
#define RF_NARROW_BYTES_H

#include <stdint.h>
#include <string.h>
#include RF_VEC_H
#include "product/narrow.h"
#include "product/narrow_parts.h"
#include "product/narrow_rows.h"
#include "product/narrow_widened.h"
#include "system/arena.h"
#include "system/compiler.h"
#include "vec/weights.h"

#define WITH_BYTES __attribute__((target("avx512vnni")))

enum { BYTES_ROWS = 8, DIGITS = 3 };

/* A block of a row: digits, and for each part what they count and where sums of its products begin. Rows after one another
 * lie in lines as the first does. */
struct digits {
  int8_t digit[DIGITS][BLOCK_NUMBERS + RF_LINE];
  float unit[BLOCK_PARTS];
  int32_t start[BLOCK_PARTS][DIGITS];
};

static inline __m512i digits_bias(void) { return _mm512_set1_epi32(0x808080); }

/* The largest of a part's numbers without their sign, as bits. */
static uint32_t part_most(const struct rows *a, int64_t row, const struct part *part) {
  __m512i most = _mm512_setzero_si512();
  for (int64_t k = part->segment; k < part->last; k++) {
    const real *at = a->row[row] + k * a->stride;
    for (int64_t i = part->from; i < part->to; i += VEC_LANES) {
      most = _mm512_max_epu32(most, _mm512_castps_si512(v_abs(v_load_n(at + i, part->to - i))));
    }
  }
  return _mm512_reduce_max_epu32(most);
}

/* 2^e as a float32, of a normal one. */
static inline float power(int e) {
  const uint32_t bits = (uint32_t)(e + 127) << 23;
  float found;
  memcpy(&found, &bits, sizeof found);
  return found;
}

/* A part's digits from line `line` of the block on, and all that comes with them. */
WITH_BYTES static void digits_part(const struct rows *a, int64_t row, const struct part *part, int q, int64_t line,
                                   struct digits *d) {
  /* Three digits hold 0x7f7f7f steps at most: a power of two more where the largest number has a mantissa beyond that.
   * Steps of less than a normal number do not count. */
  int exponent = (int)((part_most(a, row, part) + (0x800000 - 0x7efeff)) >> 23) - 127;
  if (exponent < -104) exponent = -104;
  const vec per_unit = v_set1(power(22 - exponent));
  const __m512i ones = _mm512_set1_epi8(1);
  __m512i sum[DIGITS] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
  int8_t *to = d->digit[0] + line * 4;
  for (int64_t k = part->segment; k < part->last; k++) {
    const real *at = a->row[row] + k * a->stride;
    for (int64_t i = part->from; i < part->to; i += VEC_LANES) {
      const __m512i whole = _mm512_cvtps_epi32(v_mul(v_load_n(at + i, part->to - i), per_unit));
      const __m512i biased = _mm512_xor_si512(_mm512_add_epi32(whole, digits_bias()), digits_bias());
      int8_t *here = to + i - part->from;
      UNROLL for (int j = 0; j < DIGITS; j++) {
        const __m128i digit = _mm512_cvtepi32_epi8((__m512i)((weight_line)biased >> (8 * j)));
        _mm_storeu_si128((__m128i *)(here + j * (int64_t)sizeof d->digit[0]), digit);
        sum[j] = _mm512_dpbusd_epi32(sum[j], ones, _mm512_zextsi128_si512(digit));
      }
    }
    to += rf_weight_lines(part->to - part->from, RF_WEIGHT_I8) * 4;
  }
  UNROLL for (int j = 0; j < DIGITS; j++) d->start[q][j] = -128 * _mm512_reduce_add_epi32(sum[j]);
  d->unit[q] = power(exponent - 22);
}

WITH_BYTES static void digits_make(const struct product_narrow *p, int64_t row, const struct block *block, void *made) {
  int64_t line = 0;
  for (int q = 0; q < block->parts; line += block->part[q++].lines) {
    digits_part(&p->a, row, &block->part[q], q, line, made);
  }
}

/* What sums of a part's digits stand for. `unit` times `scale` is exact, a power of two times a scale: of large inputs no sum
 * is lost that its scale would have made small again. */
INLINE vec digits_sum(__m512i low, __m512i middle, __m512i high, float unit, const real *scale) {
  vec sum = v_fma(_mm512_cvtepi32_ps(middle), v_set1(0x1p8f), _mm512_cvtepi32_ps(low));
  sum = v_fma(_mm512_cvtepi32_ps(high), v_set1(0x1p16f), sum);
  return v_mul(sum, v_mul(v_set1(unit), v_load(scale)));
}

/* The sums of a row's block for V vectors of a strip. */
WITH_BYTES INLINE void bytes_multiply(const int V, const struct narrow_tile *t, const struct digits *d) {
  const struct block *block = t->block;
  const int64_t step = strip_step(t->p, t->vector);
  const real *b = strip_lines(t->p, t->vector) + block->line * step;
  const int8_t *digit = d->digit[0];
  const __m512i sign = _mm512_set1_epi8(-128);
  for (int q = 0; q < block->parts; q++) {
    __m512i acc[DIGITS][STRIP_VECTORS];
    UNROLL for (int j = 0; j < DIGITS; j++) {
      UNROLL for (int v = 0; v < V; v++) acc[j][v] = _mm512_set1_epi32(d->start[q][j]);
    }
    for (int64_t line = 0; line < block->part[q].lines; line++, b += step, digit += 4) {
      lines_fetch(V, b);
      __m512i of_row[DIGITS];
      UNROLL for (int j = 0; j < DIGITS; j++) {
        int32_t four;
        memcpy(&four, digit + j * (int64_t)sizeof d->digit[0], sizeof four);
        of_row[j] = _mm512_set1_epi32(four);
      }
      UNROLL for (int v = 0; v < V; v++) {
        const __m512i weights = _mm512_xor_si512(_mm512_loadu_si512(b + v * VEC_LANES), sign);
        UNROLL for (int j = 0; j < DIGITS; j++) acc[j][v] = _mm512_dpbusd_epi32(acc[j][v], weights, of_row[j]);
      }
    }
    /* Else gcc keeps sums twice, for the next line and for afterwards. */
    UNROLL for (int j = 0; j < DIGITS; j++) { UNROLL for (int v = 0; v < V; v++) __asm__("" : "+v"(acc[j][v])); }
    vec sum[STRIP_VECTORS];
    UNROLL for (int v = 0; v < V; v++) {
      const real *scale = t->p->scale + (t->vector + v) * VEC_LANES;
      sum[v] = digits_sum(acc[0][v], acc[1][v], acc[2][v], d->unit[q], scale);
    }
    part_add(RF_WEIGHT_BF16, 1, V, t, block->line == 0 && q == 0, sum);
  }
}

#define BYTES_FUNCTION(V)                                                                                              \
  WITH_BYTES NOINLINE void bytes_##V(const struct narrow_tile *t, const struct digits *d) { bytes_multiply(V, t, d); }
BYTES_FUNCTION(1)
BYTES_FUNCTION(2)
BYTES_FUNCTION(4)
BYTES_FUNCTION(8)

static int bytes_widest(int rows) {
  (void)rows;
  return 3;
}

static void bytes_tile(const struct narrow_tile *t, int rows, int width, const void *made) {
  static void (*const by_width[])(const struct narrow_tile *, const struct digits *) = {bytes_1, bytes_2, bytes_4,
                                                                                        bytes_8};
  (void)rows;
  by_width[width](t, made);
}

static const struct way bytes_way = {sizeof(struct digits), BYTES_ROWS, 1, bytes_widest, digits_make, bytes_tile};

/* How many times as large as the others' mean a row's largest number may be: with 16 its steps cost sums a relative error of
 * 8e-7 where that number counts for nothing. Normally distributed numbers reach 5. */
enum { OUTLIER_MOST = 16 };

/* Whether a row's digits are as good as its numbers: all are finite, and none is so large that in its steps too little is
 * left of the others, which make up a sum where its weight is small. Zeros lose nothing and do not count. */
static int row_even(const struct rows *a, int64_t row) {
  __m512i most = _mm512_setzero_si512();
  vec sum = v_set1(0);
  int others = -1;
  for (int64_t k = 0; k < a->segments; k++) {
    const real *at = a->row[row] + k * a->stride;
    for (int64_t i = 0; i < a->size; i += VEC_LANES) {
      const vec size = v_abs(v_load_n(at + i, a->size - i));
      most = _mm512_max_epu32(most, _mm512_castps_si512(size));
      sum = v_add(sum, size);
      others += __builtin_popcount(_mm512_cmp_ps_mask(size, v_set1(0), _CMP_NEQ_UQ));
    }
  }
  const uint32_t bits = _mm512_reduce_max_epu32(most);
  float largest;
  memcpy(&largest, &bits, sizeof largest);
  const float rest = _mm512_reduce_add_ps(sum) - largest;
  return bits < 0x7f800000 && (others <= 0 || largest * (float)others <= OUTLIER_MOST * rest);
}

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
