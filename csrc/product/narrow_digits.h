/* narrow_digits.h - rows as whole numbers of four bytes, for products with weights of a byte that a processor sums by itself.
 *
 * A part of a row becomes whole numbers of 32 bits, each of four digits from -128 to 127. Their steps follow its largest
 * number: others lose nothing down to a 128th of it, and what those under a 1024th lose, a few where sizes do not differ by
 * much, is a product of its own. (Of 24 bits, products are a quarter faster, and too little was left of features beside
 * others 30 times as large, for units that read these alone.) */
#ifndef RF_NARROW_DIGITS_H
#define RF_NARROW_DIGITS_H

#include <stdint.h>
#include <string.h>
#include RF_VEC_H
#include "product/narrow.h"
#include "product/narrow_parts.h"
#include "system/arena.h"
#include "system/compiler.h"
#include "vec/weights.h"

#define WITH_BYTES __attribute__((target("avx512vnni")))

enum { DIGITS = 4, SMALL_BITS = 10, SMALL_MOST = 32 };

/* A block of a row: digits, and for each part what 2^29 steps of theirs are and where sums of its products begin. Rows after
 * one another lie in lines as the first does. Of small numbers, where their digits are and what these leave. */
struct digits {
  _Alignas(RF_LINE) int8_t digit[DIGITS][BLOCK_NUMBERS + RF_LINE];
  float unit[BLOCK_PARTS];
  int32_t start[BLOCK_PARTS][DIGITS];
  int32_t small, at[SMALL_MOST];
  float left[SMALL_MOST];
};

static inline __m512i digits_bias(void) { return _mm512_set1_epi32((int)0x80808080); }

/* The largest of numbers [from, to) of segments [segment, last) of a row without their sign, as bits. */
static uint32_t largest(const struct rows *a, int64_t row, int64_t segment, int64_t last, int64_t from, int64_t to) {
  __m512i most = _mm512_setzero_si512();
  for (int64_t k = segment; k < last; k++) {
    const real *at = a->row[row] + k * a->stride;
    for (int64_t i = from; i < to; i += VEC_LANES) {
      most = _mm512_max_epu32(most, _mm512_castps_si512(v_abs(v_load_n(at + i, to - i))));
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

/* The exponent of a part's digits, whose steps are 2^-30 of that: four of them hold 0x7f7f7f7f steps at most, so it is one
 * more where the largest number has a mantissa beyond that. Steps of less than a normal number do not count. */
static inline int digits_exponent(uint32_t most) {
  const int exponent = (int)((most + (0x800000 - 0x7efeff)) >> 23) - 127;
  return exponent < -96 ? -96 : exponent;
}

/* Which of some numbers are small beside the largest of their part. */
static inline __mmask16 are_small(vec numbers, int exponent) {
  return _mm512_mask_cmp_ps_mask(_mm512_cmp_ps_mask(numbers, v_set1(0), _CMP_NEQ_OQ), v_abs(numbers),
                                 v_set1(power(exponent - SMALL_BITS)), _CMP_LT_OQ);
}

/* Notes what whole numbers leave of small ones whose digits begin at `at`. */
static void small_note(struct digits *d, int64_t at, __mmask16 which, vec left) {
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  _mm512_mask_compressstoreu_ps(d->left + d->small, which, left);
  _mm512_mask_compressstoreu_epi32(d->at + d->small, which, _mm512_add_epi32(_mm512_set1_epi32((int)at), lanes));
  d->small += __builtin_popcount(which);
}

/* A part's digits from line `line` of the block on, and all that comes with them. */
WITH_BYTES static void digits_part(const struct rows *a, int64_t row, const struct part *part, int q, int64_t line,
                                   struct digits *d) {
  const int exponent = digits_exponent(largest(a, row, part->segment, part->last, part->from, part->to));
  const vec per_step = v_set1(power(30 - exponent)), step = v_set1(-power(exponent - 30));
  const __m512i ones = _mm512_set1_epi8(1);
  __m512i sum[DIGITS];
  UNROLL for (int j = 0; j < DIGITS; j++) sum[j] = _mm512_setzero_si512();
  int8_t *to = d->digit[0] + line * 4;
  for (int64_t k = part->segment; k < part->last; k++) {
    const real *at = a->row[row] + k * a->stride;
    for (int64_t i = part->from; i < part->to; i += VEC_LANES) {
      const vec numbers = v_load_n(at + i, part->to - i);
      const __m512i whole = _mm512_cvtps_epi32(v_mul(numbers, per_step));
      const __m512i biased = _mm512_xor_si512(_mm512_add_epi32(whole, digits_bias()), digits_bias());
      int8_t *here = to + i - part->from;
      const __mmask16 small = are_small(numbers, exponent);
      if (small) small_note(d, here - d->digit[0], small, v_fma(_mm512_cvtepi32_ps(whole), step, numbers));
      UNROLL for (int j = 0; j < DIGITS; j++) {
        const __m128i digit = _mm512_cvtepi32_epi8((__m512i)((weight_line)biased >> (8 * j)));
        _mm_storeu_si128((__m128i *)(here + j * (int64_t)sizeof d->digit[0]), digit);
        sum[j] = _mm512_dpbusd_epi32(sum[j], ones, _mm512_zextsi128_si512(digit));
      }
    }
    to += rf_weight_lines(part->to - part->from, RF_WEIGHT_I8) * 4;
  }
  UNROLL for (int j = 0; j < DIGITS; j++) d->start[q][j] = -128 * _mm512_reduce_add_epi32(sum[j]);
  d->unit[q] = power(exponent - 1);
}

WITH_BYTES static void digits_make(const struct product_narrow *p, int64_t row, const struct block *block, void *made) {
  struct digits *d = made;
  int64_t line = 0;
  d->small = 0;
  for (int q = 0; q < block->parts; line += block->part[q++].lines) {
    digits_part(&p->a, row, &block->part[q], q, line, d);
  }
}

/* Whether a row's digits are as good as its numbers: all are finite, and of those that are small there are few. */
static int row_even(const struct rows *a, int64_t row) {
  const uint32_t most = largest(a, row, 0, a->segments, 0, a->size);
  int small = 0;
  for (int64_t k = 0; k < a->segments; k++) {
    const real *at = a->row[row] + k * a->stride;
    for (int64_t i = 0; i < a->size; i += VEC_LANES) {
      small += __builtin_popcount(are_small(v_load_n(at + i, a->size - i), digits_exponent(most)));
    }
  }
  return most < 0x7f800000 && small <= SMALL_MOST;
}

#endif
