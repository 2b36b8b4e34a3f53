/* vmath.h - exp, tanh and the logistic function on vectors, at most 2 units in the last place.
 *
 * All three come from one reduction: x = n ln 2 + r with |r| <= ln(2) / 2, so exp(x) = 2^n (1 + p), p = exp(r) - 1.
 * The polynomials are weighted minimax fits of (exp(r) - 1 - r) / r^2; their relative error in p is 2^-32 and 2^-61.
 * A NaN passes through every clamp, because v_min and v_max return their second operand then. */
#ifndef RF_VMATH_H
#define RF_VMATH_H

#include RF_VEC_H

#include "system/compiler.h"

#if RF_REAL_BITS == 32

/* Added to a number below 2^22 this rounds it to an integer n and leaves n + 127 in the low bits: 1.5 * 2^23 + 127. */
#define EXP_ROUNDER 12583039.0f
#define LN2_HIGH 0.693145751953125f /* 16 bits, so that n * LN2_HIGH is exact */
#define LN2_LOW 1.4286068203094172e-6f
#define EXP_LOW -87.5f /* below: the result is not normal */
#define EXP_HIGH 89.0f /* above: infinite */
#define LOGISTIC_LOW -88.0f
#define LOGISTIC_HIGH 87.0f /* 2^n stays a normal number */
#define TANH_HIGH 10.0f /* above: 1 */
static const real EXP_POLYNOMIAL[] = {0.50000000464699553f, 0.16666666806831725f, 0.041666354394580260f,
                                      0.0083332750989916f,  0.0013941025300770f,  0.00019913157943907f};

#else

#define EXP_ROUNDER 6755399441056767.0 /* 1.5 * 2^52 + 1023 */
#define LN2_HIGH 0.693147180559890330187045 /* 42 bits */
#define LN2_LOW 5.497923018708371174712e-14
#define EXP_LOW -708.5
#define EXP_HIGH 710.0
#define LOGISTIC_LOW -709.0
#define LOGISTIC_HIGH 708.0
#define TANH_HIGH 20.0
static const real EXP_POLYNOMIAL[] = {0.49999999999999999986,   0.16666666666666676478,   0.041666666666666698428,
                                      0.0083333333333217182342, 0.0013888888888868459896, 0.00019841269885896314433,
                                      2.4801587357317712041e-5, 2.7557244443786094422e-6, 2.7557245474935526997e-7,
                                      2.5108955236089618993e-8, 2.0923629699413059678e-9};

#endif

#define EXP_DEGREE ((int)(sizeof EXP_POLYNOMIAL / sizeof *EXP_POLYNOMIAL) - 1)

#define LOG2_E ((real)1.4426950408889634074)

struct exp_parts {
  vec rounded; /* n, with EXP_ROUNDER still added */
  vec r, tail; /* exp(r) - 1 - r, with what r lost to rounding */
};

/* Coefficients i and i + 1: in twos they make a chain of multiply-adds half as long as one by one. */
INLINE vec exp_coefficients(int i, vec r) {
  const vec even = v_set1(EXP_POLYNOMIAL[i]);
  return i == EXP_DEGREE ? even : v_fma(v_set1(EXP_POLYNOMIAL[i + 1]), r, even);
}

/* Of x, when `rounded` is x / ln 2 as EXP_ROUNDER rounds it. */
INLINE struct exp_parts exp_reduce(vec x, vec rounded) {
  vec n = v_sub(rounded, v_set1(EXP_ROUNDER));
  vec high = v_fnma(n, v_set1(LN2_HIGH), x);
  vec r = v_fnma(n, v_set1(LN2_LOW), high);
  vec lost = v_fnma(n, v_set1(LN2_LOW), v_sub(high, r));
  const vec square = v_mul(r, r);
  vec q = exp_coefficients(EXP_DEGREE / 2 * 2, r);
  UNROLL for (int i = EXP_DEGREE / 2 * 2 - 2; i >= 0; i -= 2) q = v_fma(q, square, exp_coefficients(i, r));
  return (struct exp_parts){rounded, r, v_fma(square, q, lost)};
}

INLINE vec exp_minus_one(struct exp_parts e) { return v_add(e.r, e.tail); }

INLINE vec v_exp(vec x) {
  const vec zero = v_set1(0), one = v_set1(1);
  const vec y = v_max(v_set1(EXP_LOW), v_min(v_set1(EXP_HIGH), x));
  struct exp_parts e = exp_reduce(y, v_fma(y, v_set1(LOG2_E), v_set1(EXP_ROUNDER)));
  /* n reaches one more than the exponent field holds: take one off and double the result. */
  vec scale = v_to_exponent(v_sub(e.rounded, v_if_greater(x, zero, one, zero)));
  return v_mul(v_mul(scale, v_add(one, exp_minus_one(e))), v_if_greater(x, zero, v_set1(2), one));
}

/* 1 / (1 + exp(-x)); what rounding takes from 1 + 2^n is added with 2^n p. The sign waits beside the first product. */
INLINE vec v_logistic(vec x) {
  const vec one = v_set1(1);
  const vec y = v_max(v_set1(LOGISTIC_LOW), v_min(v_set1(LOGISTIC_HIGH), x));
  struct exp_parts e = exp_reduce(v_sub(v_set1(0), y), v_fnma(y, v_set1(LOG2_E), v_set1(EXP_ROUNDER)));
  vec scale = v_to_exponent(e.rounded), sum = v_add(scale, one);
  return v_div(one, v_add(sum, v_fma(scale, exp_minus_one(e), v_sub(one, v_sub(sum, scale)))));
}

/* With h = (exp(2 |x|) - 1) / 2, tanh |x| = h - h * h / (h + 1) = 1 - 1 / (h + 1): either ends in a correction so small
 * that roundings before it hardly count. h is a sum of r, the tail and a constant that rounds once; near zero the
 * constant is 0, so nothing cancels. */
INLINE vec v_tanh(vec x) {
  const vec one = v_set1(1), half = v_set1((real)0.5);
  vec y = v_min(v_set1(TANH_HIGH), v_abs(x));
  struct exp_parts e = exp_reduce(v_add(y, y), v_fma(y, v_set1(2 * LOG2_E), v_set1(EXP_ROUNDER)));
  vec scale = v_mul(v_to_exponent(e.rounded), half), constant = v_sub(scale, half);
  vec sum = v_fma(scale, e.r, constant), lost = v_fma(scale, e.r, v_sub(constant, sum));
  vec h = v_add(sum, v_fma(scale, e.tail, lost));
  vec first = v_if_greater(y, v_set1((real)0.55), one, h);
  return v_copysign(v_fnma(first, v_div(first, v_add(h, one)), first), x);
}

#endif
