/* pairs.h - pairs of bfloat16 where numbers of float32 stand, the first in the lower half: a processor with AVX512_BF16 sums
 * their products by itself. PAIRS_THERE says whether what is compiled may ask it to. */
#ifndef RF_VEC_PAIRS_H
#define RF_VEC_PAIRS_H

#include <stdint.h>
#include <string.h>
#include RF_VEC_H
#include "system/compiler.h"

#if RF_REAL_BITS == 32 && defined(__AVX512BF16__) && VEC_LANES == 16
#define PAIRS_THERE 1

/* c + both products of every lane's pairs, which are exact; subnormals count as zeros */
INLINE vec v_fma_pairs(vec a, vec b, vec c) {
  __m512bh left, right;
  memcpy(&left, &a, sizeof left);
  memcpy(&right, &b, sizeof right);
  return _mm512_dpbf16_ps(c, left, right);
}

/* 32 numbers rounded to nearest even: pairs of neighbours */
INLINE vec v_pairs_along(vec low, vec high) {
  const __m512bh rounded = _mm512_cvtne2ps_pbh(high, low);
  vec pairs;
  memcpy(&pairs, &rounded, sizeof pairs);
  return pairs;
}

/* The same of two vectors' lanes: (even[i], odd[i]) */
INLINE vec v_pairs_across(vec even, vec odd) {
  const __m512i order =
      _mm512_set_epi32(0x1f000f, 0x1e000e, 0x1d000d, 0x1c000c, 0x1b000b, 0x1a000a, 0x190009, 0x180008, 0x170007,
                       0x160006, 0x150005, 0x140004, 0x130003, 0x120002, 0x110001, 0x100000);
  return _mm512_castsi512_ps(_mm512_permutexvar_epi16(order, _mm512_castps_si512(v_pairs_along(even, odd))));
}
#else
#define PAIRS_THERE 0
#endif

#endif
