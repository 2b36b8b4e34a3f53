/* vmath.c - vmath.h over arrays, and the loops that measure peak speeds; per number type and instruction set. */
#include <stdint.h>

#include RF_VEC_H

#include "include/rnnfast.h"
#include "vec/functions.h"
#include "vec/vmath.h"

#define ELEMENTWISE(name)                                                                                              \
  static void array_##name(int64_t n, const void *x, void *y) {                                                        \
    const real *in = x;                                                                                                \
    real *out = y;                                                                                                     \
    int64_t i = 0;                                                                                                     \
    for (; i + VEC_LANES <= n; i += VEC_LANES) v_store(out + i, v_##name(v_load(in + i)));                             \
    if (i < n) v_store_n(out + i, n - i, v_##name(v_load_n(in + i, n - i)));                                           \
  }

ELEMENTWISE(exp)
ELEMENTWISE(tanh)
ELEMENTWISE(logistic)

/* Twelve independent chains: enough to hide four cycles of latency at three a cycle, and few enough for 16 registers.
 * Every chain starts from another number, unknown to the compiler, so that none are merged. */
static double fma_loop(int64_t rounds) {
  enum { CHAINS = 12 };
  volatile real start = 1;
  const vec a = v_set1((real)0.999), b = v_set1((real)0.001);
  vec c0 = v_set1(start), c1 = v_set1(start), c2 = v_set1(start), c3 = v_set1(start), c4 = v_set1(start);
  vec c5 = v_set1(start), c6 = v_set1(start), c7 = v_set1(start), c8 = v_set1(start), c9 = v_set1(start);
  vec c10 = v_set1(start), c11 = v_set1(start);
  for (int64_t i = 0; i < rounds; i++) {
    c0 = v_fma(c0, a, b), c1 = v_fma(c1, a, b), c2 = v_fma(c2, a, b), c3 = v_fma(c3, a, b);
    c4 = v_fma(c4, a, b), c5 = v_fma(c5, a, b), c6 = v_fma(c6, a, b), c7 = v_fma(c7, a, b);
    c8 = v_fma(c8, a, b), c9 = v_fma(c9, a, b), c10 = v_fma(c10, a, b), c11 = v_fma(c11, a, b);
  }
  vec sum = v_add(v_add(v_add(c0, c1), v_add(c2, c3)), v_add(v_add(c4, c5), v_add(c6, c7)));
  real first[VEC_LANES];
  v_store(first, v_add(sum, v_add(v_add(c8, c9), v_add(c10, c11))));
  start = first[0];
  return 2.0 * CHAINS * VEC_LANES * (double)rounds;
}

/* Eight independent sums, so that loads are what limits, not the latency of additions. */
static double read_loop(int64_t bytes, const void *data, int64_t rounds) {
  enum { SUMS = 8 };
  const int64_t vectors = bytes / (int64_t)sizeof(vec) / SUMS * SUMS;
  vec s0 = v_set1(0), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  for (int64_t i = 0; i < rounds; i++) {
    for (const real *p = data, *end = p + vectors * VEC_LANES; p < end; p += SUMS * VEC_LANES) {
      s0 = v_add(s0, v_load(p)), s1 = v_add(s1, v_load(p + VEC_LANES));
      s2 = v_add(s2, v_load(p + 2 * VEC_LANES)), s3 = v_add(s3, v_load(p + 3 * VEC_LANES));
      s4 = v_add(s4, v_load(p + 4 * VEC_LANES)), s5 = v_add(s5, v_load(p + 5 * VEC_LANES));
      s6 = v_add(s6, v_load(p + 6 * VEC_LANES)), s7 = v_add(s7, v_load(p + 7 * VEC_LANES));
    }
  }
  real sum[VEC_LANES];
  v_store(sum, v_add(v_add(v_add(s0, s1), v_add(s2, s3)), v_add(v_add(s4, s5), v_add(s6, s7))));
  volatile real kept = sum[0];
  (void)kept;
  return (double)vectors * (double)sizeof(vec) * (double)rounds;
}

const struct rf_math RF_MATH_NAME = {
    .isa = RF_ISA_NAME,
    .dtype = RF_REAL_BITS == 32 ? RF_F32 : RF_F64,
    .function = {array_exp, array_tanh, array_logistic},
    .fma_loop = fma_loop,
    .read_loop = read_loop,
};
