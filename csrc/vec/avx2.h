/* avx2.h - a vector of 32 bytes on AVX2 with fused multiply-add. Operations and their meaning: vec/scalar.h. */
#ifndef RF_VEC_H_INCLUDED
#define RF_VEC_H_INCLUDED

#include <immintrin.h>
#include <stdint.h>
#include "system/compiler.h"

#define VEC_REGISTERS 16

#if RF_REAL_BITS == 32

typedef float real;
typedef __m256 vec;
#define VEC_LANES 8

static inline __m256i v_first(int64_t n) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane);
}

static inline vec v_load(const real *p) { return _mm256_loadu_ps(p); }
static inline void v_store(real *p, vec a) { _mm256_storeu_ps(p, a); }
static inline vec v_load_n(const real *p, int64_t n) { return _mm256_maskload_ps(p, v_first(n)); }
static inline void v_store_n(real *p, int64_t n, vec a) { _mm256_maskstore_ps(p, v_first(n), a); }
static inline vec v_set1(real a) { return _mm256_set1_ps(a); }
static inline vec v_add(vec a, vec b) { return _mm256_add_ps(a, b); }
static inline vec v_sub(vec a, vec b) { return _mm256_sub_ps(a, b); }
static inline vec v_mul(vec a, vec b) { return _mm256_mul_ps(a, b); }
static inline vec v_div(vec a, vec b) { return _mm256_div_ps(a, b); }
static inline vec v_fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
static inline vec v_fnma(vec a, vec b, vec c) { return _mm256_fnmadd_ps(a, b, c); }
static inline vec v_min(vec a, vec b) { return _mm256_min_ps(a, b); }
static inline vec v_max(vec a, vec b) { return _mm256_max_ps(a, b); }
static inline vec v_abs(vec a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
static inline vec v_copysign(vec a, vec s) { return _mm256_or_ps(a, _mm256_and_ps(_mm256_set1_ps(-0.0f), s)); }
static inline vec v_to_exponent(vec a) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(a), 23)); }
static inline vec v_if_greater(vec x, vec y, vec a, vec b) {
  return _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, y, _CMP_GT_OQ));
}

INLINE void v_transpose(vec *m) {
  vec two[VEC_LANES], four[VEC_LANES]; /* numbers of so many vectors side by side, in each half */
  UNROLL for (int i = 0; i < VEC_LANES; i += 2) {
    two[i] = _mm256_unpacklo_ps(m[i], m[i + 1]);
    two[i + 1] = _mm256_unpackhi_ps(m[i], m[i + 1]);
  }
  UNROLL for (int i = 0; i < VEC_LANES; i += 4) {
    UNROLL for (int j = 0; j < 2; j++) {
      const __m256d low = _mm256_castps_pd(two[i + j]), high = _mm256_castps_pd(two[i + j + 2]);
      four[i + 2 * j] = _mm256_castpd_ps(_mm256_unpacklo_pd(low, high));
      four[i + 2 * j + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low, high));
    }
  }
  UNROLL for (int i = 0; i < 4; i++) {
    m[i] = _mm256_permute2f128_ps(four[i], four[i + 4], 0x20);
    m[i + 4] = _mm256_permute2f128_ps(four[i], four[i + 4], 0x31);
  }
}

#else

typedef double real;
typedef __m256d vec;
#define VEC_LANES 4

static inline __m256i v_first(int64_t n) {
  return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
}

static inline vec v_load(const real *p) { return _mm256_loadu_pd(p); }
static inline void v_store(real *p, vec a) { _mm256_storeu_pd(p, a); }
static inline vec v_load_n(const real *p, int64_t n) { return _mm256_maskload_pd(p, v_first(n)); }
static inline void v_store_n(real *p, int64_t n, vec a) { _mm256_maskstore_pd(p, v_first(n), a); }
static inline vec v_set1(real a) { return _mm256_set1_pd(a); }
static inline vec v_add(vec a, vec b) { return _mm256_add_pd(a, b); }
static inline vec v_sub(vec a, vec b) { return _mm256_sub_pd(a, b); }
static inline vec v_mul(vec a, vec b) { return _mm256_mul_pd(a, b); }
static inline vec v_div(vec a, vec b) { return _mm256_div_pd(a, b); }
static inline vec v_fma(vec a, vec b, vec c) { return _mm256_fmadd_pd(a, b, c); }
static inline vec v_fnma(vec a, vec b, vec c) { return _mm256_fnmadd_pd(a, b, c); }
static inline vec v_min(vec a, vec b) { return _mm256_min_pd(a, b); }
static inline vec v_max(vec a, vec b) { return _mm256_max_pd(a, b); }
static inline vec v_abs(vec a) { return _mm256_andnot_pd(_mm256_set1_pd(-0.0), a); }
static inline vec v_copysign(vec a, vec s) { return _mm256_or_pd(a, _mm256_and_pd(_mm256_set1_pd(-0.0), s)); }
static inline vec v_to_exponent(vec a) { return _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_castpd_si256(a), 52)); }
static inline vec v_if_greater(vec x, vec y, vec a, vec b) {
  return _mm256_blendv_pd(b, a, _mm256_cmp_pd(x, y, _CMP_GT_OQ));
}

INLINE void v_transpose(vec *m) {
  vec two[VEC_LANES];
  UNROLL for (int i = 0; i < VEC_LANES; i += 2) {
    two[i] = _mm256_unpacklo_pd(m[i], m[i + 1]);
    two[i + 1] = _mm256_unpackhi_pd(m[i], m[i + 1]);
  }
  UNROLL for (int i = 0; i < 2; i++) {
    m[i] = _mm256_permute2f128_pd(two[i], two[i + 2], 0x20);
    m[i + 2] = _mm256_permute2f128_pd(two[i], two[i + 2], 0x31);
  }
}

#endif

static inline void v_keep(vec *a) { __asm__("" : "+x"(*a)); }

#endif
