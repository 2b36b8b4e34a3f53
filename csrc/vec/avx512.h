/* avx512.h - a vector of 64 bytes on AVX-512 F and DQ. Operations and their meaning: vec/scalar.h. */
#ifndef RF_VEC_H_INCLUDED
#define RF_VEC_H_INCLUDED

#ifdef RF_EMULATE_AVX512 /* the same source on a machine without it, to test it there */
#include <simde/x86/avx512.h>
#else
#include <immintrin.h>
#endif
#include <stdint.h>
#include "system/compiler.h"

#define VEC_REGISTERS 32

#if RF_REAL_BITS == 32

typedef float real;
typedef __m512 vec;
#define VEC_LANES 16

static inline __mmask16 v_first(int64_t n) { return (__mmask16)(n >= 16 ? 0xffff : (1u << n) - 1); }

static inline vec v_load(const real *p) { return _mm512_loadu_ps(p); }
static inline void v_store(real *p, vec a) { _mm512_storeu_ps(p, a); }
static inline vec v_load_n(const real *p, int64_t n) { return _mm512_maskz_loadu_ps(v_first(n), p); }
static inline void v_store_n(real *p, int64_t n, vec a) { _mm512_mask_storeu_ps(p, v_first(n), a); }
static inline vec v_set1(real a) { return _mm512_set1_ps(a); }
static inline vec v_add(vec a, vec b) { return _mm512_add_ps(a, b); }
static inline vec v_sub(vec a, vec b) { return _mm512_sub_ps(a, b); }
static inline vec v_mul(vec a, vec b) { return _mm512_mul_ps(a, b); }
static inline vec v_div(vec a, vec b) { return _mm512_div_ps(a, b); }
static inline vec v_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
static inline vec v_fnma(vec a, vec b, vec c) { return _mm512_fnmadd_ps(a, b, c); }
static inline vec v_min(vec a, vec b) { return _mm512_min_ps(a, b); }
static inline vec v_max(vec a, vec b) { return _mm512_max_ps(a, b); }
static inline vec v_abs(vec a) { return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a); }
static inline vec v_copysign(vec a, vec s) { return _mm512_or_ps(a, _mm512_and_ps(_mm512_set1_ps(-0.0f), s)); }
static inline vec v_to_exponent(vec a) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(a), 23)); }
static inline vec v_if_greater(vec x, vec y, vec a, vec b) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, y, _CMP_GT_OQ), b, a);
}

INLINE void v_transpose(vec *m) {
  vec two[VEC_LANES], four[VEC_LANES]; /* numbers of so many vectors side by side, in each quarter */
  UNROLL for (int i = 0; i < VEC_LANES; i += 2) {
    two[i] = _mm512_unpacklo_ps(m[i], m[i + 1]);
    two[i + 1] = _mm512_unpackhi_ps(m[i], m[i + 1]);
  }
  UNROLL for (int i = 0; i < VEC_LANES; i += 4) {
    UNROLL for (int j = 0; j < 2; j++) {
      const __m512d low = _mm512_castps_pd(two[i + j]), high = _mm512_castps_pd(two[i + j + 2]);
      four[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
      four[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
    }
  }
  UNROLL for (int i = 0; i < 4; i++) { /* quarters of four vectors, themselves a square */
    const vec even = _mm512_shuffle_f32x4(four[i], four[i + 4], 0x88);
    const vec odd = _mm512_shuffle_f32x4(four[i], four[i + 4], 0xdd);
    const vec even_after = _mm512_shuffle_f32x4(four[i + 8], four[i + 12], 0x88);
    const vec odd_after = _mm512_shuffle_f32x4(four[i + 8], four[i + 12], 0xdd);
    m[i] = _mm512_shuffle_f32x4(even, even_after, 0x88);
    m[i + 4] = _mm512_shuffle_f32x4(odd, odd_after, 0x88);
    m[i + 8] = _mm512_shuffle_f32x4(even, even_after, 0xdd);
    m[i + 12] = _mm512_shuffle_f32x4(odd, odd_after, 0xdd);
  }
}

#else

typedef double real;
typedef __m512d vec;
#define VEC_LANES 8

static inline __mmask8 v_first(int64_t n) { return (__mmask8)(n >= 8 ? 0xff : (1u << n) - 1); }

static inline vec v_load(const real *p) { return _mm512_loadu_pd(p); }
static inline void v_store(real *p, vec a) { _mm512_storeu_pd(p, a); }
static inline vec v_load_n(const real *p, int64_t n) { return _mm512_maskz_loadu_pd(v_first(n), p); }
static inline void v_store_n(real *p, int64_t n, vec a) { _mm512_mask_storeu_pd(p, v_first(n), a); }
static inline vec v_set1(real a) { return _mm512_set1_pd(a); }
static inline vec v_add(vec a, vec b) { return _mm512_add_pd(a, b); }
static inline vec v_sub(vec a, vec b) { return _mm512_sub_pd(a, b); }
static inline vec v_mul(vec a, vec b) { return _mm512_mul_pd(a, b); }
static inline vec v_div(vec a, vec b) { return _mm512_div_pd(a, b); }
static inline vec v_fma(vec a, vec b, vec c) { return _mm512_fmadd_pd(a, b, c); }
static inline vec v_fnma(vec a, vec b, vec c) { return _mm512_fnmadd_pd(a, b, c); }
static inline vec v_min(vec a, vec b) { return _mm512_min_pd(a, b); }
static inline vec v_max(vec a, vec b) { return _mm512_max_pd(a, b); }
static inline vec v_abs(vec a) { return _mm512_andnot_pd(_mm512_set1_pd(-0.0), a); }
static inline vec v_copysign(vec a, vec s) { return _mm512_or_pd(a, _mm512_and_pd(_mm512_set1_pd(-0.0), s)); }
static inline vec v_to_exponent(vec a) { return _mm512_castsi512_pd(_mm512_slli_epi64(_mm512_castpd_si512(a), 52)); }
static inline vec v_if_greater(vec x, vec y, vec a, vec b) {
  return _mm512_mask_blend_pd(_mm512_cmp_pd_mask(x, y, _CMP_GT_OQ), b, a);
}

INLINE void v_transpose(vec *m) {
  vec two[VEC_LANES];
  UNROLL for (int i = 0; i < VEC_LANES; i += 2) {
    two[i] = _mm512_unpacklo_pd(m[i], m[i + 1]);
    two[i + 1] = _mm512_unpackhi_pd(m[i], m[i + 1]);
  }
  UNROLL for (int i = 0; i < 2; i++) {
    const vec even = _mm512_shuffle_f64x2(two[i], two[i + 2], 0x88);
    const vec odd = _mm512_shuffle_f64x2(two[i], two[i + 2], 0xdd);
    const vec even_after = _mm512_shuffle_f64x2(two[i + 4], two[i + 6], 0x88);
    const vec odd_after = _mm512_shuffle_f64x2(two[i + 4], two[i + 6], 0xdd);
    m[i] = _mm512_shuffle_f64x2(even, even_after, 0x88);
    m[i + 2] = _mm512_shuffle_f64x2(odd, odd_after, 0x88);
    m[i + 4] = _mm512_shuffle_f64x2(even, even_after, 0xdd);
    m[i + 6] = _mm512_shuffle_f64x2(odd, odd_after, 0xdd);
  }
}

#endif

#ifdef __AVX512F__
static inline void v_keep(vec *a) { __asm__("" : "+v"(*a)); }
#else /* emulated */
static inline void v_keep(vec *a) { (void)a; }
#endif

#endif
