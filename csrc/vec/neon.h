/* neon.h - a vector of 16 bytes on 64-bit Arm, all of whose processors have it. Operations and their meaning: vec/scalar.h. */
#ifndef RF_VEC_H_INCLUDED
#define RF_VEC_H_INCLUDED

#include <arm_neon.h>
#include <stdint.h>
#include "system/compiler.h"

#define VEC_REGISTERS 32

#if RF_REAL_BITS == 32

typedef float real;
typedef float32x4_t vec;
#define VEC_LANES 4

static inline vec v_load(const real *p) { return vld1q_f32(p); }
static inline void v_store(real *p, vec a) { vst1q_f32(p, a); }
static inline vec v_load_n(const real *p, int64_t n) {
  if (n >= VEC_LANES) return v_load(p);
  vec a = vdupq_n_f32(0);
  if (n > 0) a = vld1q_lane_f32(p, a, 0);
  if (n > 1) a = vld1q_lane_f32(p + 1, a, 1);
  if (n > 2) a = vld1q_lane_f32(p + 2, a, 2);
  return a;
}
static inline void v_store_n(real *p, int64_t n, vec a) {
  if (n >= VEC_LANES) {
    v_store(p, a);
    return;
  }
  if (n > 0) vst1q_lane_f32(p, a, 0);
  if (n > 1) vst1q_lane_f32(p + 1, a, 1);
  if (n > 2) vst1q_lane_f32(p + 2, a, 2);
}
static inline vec v_set1(real a) {
  if (!__builtin_constant_p(a)) __asm__("" : "+w"(a));
  return vdupq_n_f32(a);
}
static inline vec v_add(vec a, vec b) { return vaddq_f32(a, b); }
static inline vec v_sub(vec a, vec b) { return vsubq_f32(a, b); }
static inline vec v_mul(vec a, vec b) { return vmulq_f32(a, b); }
static inline vec v_div(vec a, vec b) { return vdivq_f32(a, b); }
static inline vec v_fma(vec a, vec b, vec c) { return vfmaq_f32(c, a, b); }
static inline vec v_fnma(vec a, vec b, vec c) { return vfmsq_f32(c, a, b); }
static inline vec v_if_greater(vec x, vec y, vec a, vec b) { return vbslq_f32(vcgtq_f32(x, y), a, b); }
static inline vec v_abs(vec a) { return vabsq_f32(a); }
static inline vec v_copysign(vec a, vec s) { return vbslq_f32(vdupq_n_u32(UINT32_C(1) << 31), s, a); }
static inline vec v_to_exponent(vec a) { return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_f32(a), 23)); }

INLINE void v_transpose(vec *m) {
  const vec even = vtrn1q_f32(m[0], m[1]), odd = vtrn2q_f32(m[0], m[1]);
  const float64x2_t even_after = vreinterpretq_f64_f32(vtrn1q_f32(m[2], m[3]));
  const float64x2_t odd_after = vreinterpretq_f64_f32(vtrn2q_f32(m[2], m[3]));
  m[0] = vreinterpretq_f32_f64(vzip1q_f64(vreinterpretq_f64_f32(even), even_after));
  m[1] = vreinterpretq_f32_f64(vzip1q_f64(vreinterpretq_f64_f32(odd), odd_after));
  m[2] = vreinterpretq_f32_f64(vzip2q_f64(vreinterpretq_f64_f32(even), even_after));
  m[3] = vreinterpretq_f32_f64(vzip2q_f64(vreinterpretq_f64_f32(odd), odd_after));
}

#else

typedef double real;
typedef float64x2_t vec;
#define VEC_LANES 2

static inline vec v_load(const real *p) { return vld1q_f64(p); }
static inline void v_store(real *p, vec a) { vst1q_f64(p, a); }
static inline vec v_load_n(const real *p, int64_t n) {
  if (n >= VEC_LANES) return v_load(p);
  const vec zero = vdupq_n_f64(0);
  return n > 0 ? vld1q_lane_f64(p, zero, 0) : zero;
}
static inline void v_store_n(real *p, int64_t n, vec a) {
  if (n >= VEC_LANES) {
    v_store(p, a);
  } else if (n > 0) {
    vst1q_lane_f64(p, a, 0);
  }
}
static inline vec v_set1(real a) {
  if (!__builtin_constant_p(a)) __asm__("" : "+w"(a));
  return vdupq_n_f64(a);
}
static inline vec v_add(vec a, vec b) { return vaddq_f64(a, b); }
static inline vec v_sub(vec a, vec b) { return vsubq_f64(a, b); }
static inline vec v_mul(vec a, vec b) { return vmulq_f64(a, b); }
static inline vec v_div(vec a, vec b) { return vdivq_f64(a, b); }
static inline vec v_fma(vec a, vec b, vec c) { return vfmaq_f64(c, a, b); }
static inline vec v_fnma(vec a, vec b, vec c) { return vfmsq_f64(c, a, b); }
static inline vec v_if_greater(vec x, vec y, vec a, vec b) { return vbslq_f64(vcgtq_f64(x, y), a, b); }
static inline vec v_abs(vec a) { return vabsq_f64(a); }
static inline vec v_copysign(vec a, vec s) { return vbslq_f64(vdupq_n_u64(UINT64_C(1) << 63), s, a); }
static inline vec v_to_exponent(vec a) { return vreinterpretq_f64_u64(vshlq_n_u64(vreinterpretq_u64_f64(a), 52)); }

INLINE void v_transpose(vec *m) {
  const vec first = m[0];
  m[0] = vzip1q_f64(first, m[1]);
  m[1] = vzip2q_f64(first, m[1]);
}

#endif

/* Not the processor's own minimum and maximum: of zeros and of what is no number these choose otherwise. */
static inline vec v_min(vec a, vec b) { return v_if_greater(b, a, a, b); }
static inline vec v_max(vec a, vec b) { return v_if_greater(a, b, a, b); }

static inline void v_keep(vec *a) { (void)a; } /* no instruction but loads reads memory */

#endif
