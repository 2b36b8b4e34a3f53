/* weights.h - one vector of weights out of a line of any type (vec/weight_types.h): all that kernels know of types. */
#ifndef RF_WEIGHTS_H
#define RF_WEIGHTS_H

#include <stdint.h>
#include <string.h>
#include RF_VEC_H
#include "system/compiler.h"
#include "vec/weight_types.h"

typedef uint32_t weight_line __attribute__((vector_size(VEC_LANES * 4)));
typedef int32_t weight_wholes __attribute__((vector_size(VEC_LANES * 4)));
typedef float weight_reals __attribute__((vector_size(VEC_LANES * 4)));

/* Byte `j` of every lane as its highest, zeros below it: shuffled where that is one instruction in place of two. */
INLINE weight_line byte_to_top(weight_line line, const int j) {
#if defined(__AVX512BW__)
  if (j == 1 || j == 2) {
    const __m512i from = _mm512_set4_epi32(0x0c808080 + (j << 24), 0x08808080 + (j << 24), 0x04808080 + (j << 24),
                                           0x00808080 + (j << 24));
    return (weight_line)_mm512_shuffle_epi8((__m512i)line, from);
  }
#elif defined(__AVX2__) && VEC_LANES == 8
  if (j == 1 || j == 2) {
    const __m128i from =
        _mm_set_epi32(0x0c808080 + (j << 24), 0x08808080 + (j << 24), 0x04808080 + (j << 24), 0x00808080 + (j << 24));
    return (weight_line)_mm256_shuffle_epi8((__m256i)line, _mm256_broadcastsi128_si256(from));
  }
#endif
  return j == 0 ? line << 24 : j == 3 ? line & 0xff000000u : (line << (24 - 8 * j)) & 0xff000000u;
}

/* A line; `once`: to stay in a register, whatever is made of it, where compilers would read it anew for each number. */
INLINE weight_line weight_load(const int once, const real *at) {
  vec read = v_load(at);
  weight_line line;
  if (once) v_keep(&read);
  memcpy(&line, &read, sizeof line);
  return line;
}

/* Number `j` of every lane. Those of RF_WEIGHT_I8 come 2^24 times as large, which costs one instruction less, and what
 * they are multiplied by is to be as much smaller: weight_left. */
INLINE vec weight_number(const int type, weight_line line, const int j) {
  weight_reals wide;
  vec found;
  if (type == RF_WEIGHT_BF16) {
    line = j == 0 ? line << 16 : line & 0xffff0000u;
    memcpy(&wide, &line, sizeof wide);
  } else {
    wide = __builtin_convertvector((weight_wholes)byte_to_top(line, j), weight_reals);
  }
  memcpy(&found, &wide, sizeof found);
  return found;
}

#define WEIGHT_I8_TIMES 0x1p24f

INLINE vec weight_left(const int type, real a) { return v_set1(type == RF_WEIGHT_I8 ? a / WEIGHT_I8_TIMES : a); }

#endif
