/* avx512.h - a vector of 64 bytes on AVX-512 F and DQ. Operations and their meaning: vec/scalar.h. */
#ifndef RF_VEC_H_INCLUDED
#define RF_VEC_H_INCLUDED

#ifdef RF_EMULATE_AVX512 /* the same source on a machine without it, to test it there */
#include <simde/x86/avx512.h>
#else
#include <immintrin.h>
#endif
#include <stdint.h>

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

static inline void v_interleave(vec *a, vec *b) {
  const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
  const vec first = *a;
  *a = _mm512_permutex2var_ps(first, low, *b);
  *b = _mm512_permutex2var_ps(first, high, *b);
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

static inline void v_interleave(vec *a, vec *b) {
  const __m512i low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
  const __m512i high = _mm512_add_epi64(low, _mm512_set1_epi64(4));
  const vec first = *a;
  *a = _mm512_permutex2var_pd(first, low, *b);
  *b = _mm512_permutex2var_pd(first, high, *b);
}

#endif

#ifdef __AVX512F__
static inline void v_keep(vec *a) { __asm__("" : "+v"(*a)); }
#else /* emulated */
static inline void v_keep(vec *a) { (void)a; }
#endif

#endif
