/* head.c - linear layers and activations on rows; compiled per number type and instruction set.
 *
 * A linear layer is a product like all others: its bias, then part after part of a row (product/summation.h). */
#include "head/head.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include RF_VEC_H

#include "include/rnnfast.h"
#include "product/product.h"
#include "product/summation.h"
#include "vec/vmath.h"

static int64_t panels_of(int64_t outputs) { return (outputs + VEC_LANES - 1) / VEC_LANES; }

/* A bias for every column of the panels, then the panels: [panel][input][lane]. */
static int64_t linear_numbers(int64_t inputs, int64_t outputs) { return panels_of(outputs) * VEC_LANES * (inputs + 1); }

static void pack(int64_t inputs, int64_t outputs, const void *weight, const void *bias, void *packed) {
  const real *w = weight;
  const int64_t columns = panels_of(outputs) * VEC_LANES;
  real *to = packed, *panels = to + columns;
  memset(to, 0, (size_t)linear_numbers(inputs, outputs) * sizeof(real));
  if (bias) memcpy(to, bias, (size_t)outputs * sizeof(real));
  for (int64_t o = 0; o < outputs; o++) {
    real *lane = panels + o / VEC_LANES * inputs * VEC_LANES + o % VEC_LANES;
    for (int64_t i = 0; i < inputs; i++) lane[i * VEC_LANES] = w[o * inputs + i];
  }
}

/* V panels of one row, whose chains run side by side. */
INLINE void row_panels(const int V, const struct rf_linear *l, int64_t panel, const real *x, real *y) {
  const int64_t part = sum_part(l->inputs), size = l->inputs * VEC_LANES;
  const real *bias = l->packed, *b = bias + panels_of(l->outputs) * VEC_LANES + panel * size;
  vec sum[8];
  UNROLL for (int v = 0; v < V; v++) sum[v] = v_load(bias + (panel + v) * VEC_LANES);
  for (int64_t from = 0, to; from < l->inputs; from = to) {
    vec chain[8];
    to = from + part < l->inputs ? from + part : l->inputs;
    UNROLL for (int v = 0; v < V; v++) chain[v] = v_set1(0);
    for (int64_t i = from; i < to; i++) {
      const vec left = v_set1(x[i]);
      UNROLL for (int v = 0; v < V; v++) chain[v] = v_fma(left, v_load(b + v * size + i * VEC_LANES), chain[v]);
    }
    UNROLL for (int v = 0; v < V; v++) sum[v] = v_add(sum[v], chain[v]);
  }
  UNROLL for (int v = 0; v < V; v++) {
    const int64_t column = (panel + v) * VEC_LANES;
    v_store_n(y + column, l->outputs - column, sum[v]);
  }
}

/* What a product of one row does, without what it takes to share panels among rows. */
static void linear_row(const struct rf_linear *l, const real *x, real *y) {
  const int64_t panels = panels_of(l->outputs);
  int64_t panel = 0;
  for (; panel + 8 <= panels; panel += 8) row_panels(8, l, panel, x, y);
  for (; panel + 2 <= panels; panel += 2) row_panels(2, l, panel, x, y);
  if (panel < panels) row_panels(1, l, panel, x, y);
}

static void linear(const struct rf_linear *l, const void *const *x, void *const *y, int64_t rows) {
  const real *bias = l->packed;
  if (rows == 1) {
    linear_row(l, x[0], y[0]);
    return;
  }
  for (int64_t r = 0; r < rows; r++) memcpy(y[r], bias, (size_t)l->outputs * sizeof(real));
  product(&(struct product){
      .a = {(const real *const *)x, rows, 1, l->inputs, 0},
      .a_step = 1,
      .part = sum_part(l->inputs),
      .b = {.packed = bias + panels_of(l->outputs) * VEC_LANES},
      .c = (real *const *)y,
      .columns = l->outputs,
      .cache = &l->cache,
  });
}

INLINE vec v_relu(vec x) { return v_if_greater(v_set1(0), x, v_set1(0), x); } /* NaN stays */

#define ACTIVATION(name)                                                                                               \
  static void row_##name(int64_t n, const void *x, void *y) {                                                          \
    const real *in = x;                                                                                                \
    real *out = y;                                                                                                     \
    int64_t i = 0;                                                                                                     \
    for (; i + VEC_LANES <= n; i += VEC_LANES) v_store(out + i, v_##name(v_load(in + i)));                             \
    if (i < n) v_store_n(out + i, n - i, v_##name(v_load_n(in + i, n - i)));                                           \
  }

ACTIVATION(tanh)
ACTIVATION(relu)
ACTIVATION(logistic)

#define CHAINS 16 /* of a sum over a row: number i goes to chain i % CHAINS, and these are added in turn */

static real row_most(int64_t n, const real *x) {
  real most = x[0];
  for (int64_t i = 1; i < n; i++) most = x[i] > most ? x[i] : most;
  return most;
}

/* The sum of exp(x - most) over a row, a few numbers at a time; these go to y, unless it is NULL. */
static real row_exp(int64_t n, const real *x, real most, real *y) {
  enum { SOME = 16 * CHAINS };
  const vec shift = v_set1(most);
  real chain[CHAINS] = {0}, some[SOME], sum = 0;
  for (int64_t from = 0, count; from < n; from += count) {
    count = n - from < SOME ? n - from : SOME;
    int64_t i = 0;
    for (; i + VEC_LANES <= count; i += VEC_LANES) v_store(some + i, v_exp(v_sub(v_load(x + from + i), shift)));
    if (i < count) v_store(some + i, v_exp(v_sub(v_load_n(x + from + i, count - i), shift)));
    for (i = 0; i + CHAINS <= count; i += CHAINS) {
      for (int c = 0; c < CHAINS; c++) chain[c] += some[i + c];
    }
    for (; i < count; i++) chain[i % CHAINS] += some[i];
    if (y) memcpy(y + from, some, (size_t)count * sizeof(real));
  }
  for (int c = 0; c < CHAINS; c++) sum += chain[c];
  return sum;
}

static void row_softmax(int64_t n, const void *x, void *y) {
  real *out = y;
  const real sum = row_exp(n, x, row_most(n, x), out);
  for (int64_t i = 0; i < n; i++) out[i] = out[i] / sum;
}

static void row_log_softmax(int64_t n, const void *x, void *y) {
  const real *in = x, most = row_most(n, x), shift = (real)log((double)row_exp(n, x, most, NULL));
  real *out = y;
  for (int64_t i = 0; i < n; i++) out[i] = in[i] - most - shift;
}

const struct rf_head RF_HEAD_NAME = {
    .isa = RF_ISA_NAME,
    .dtype = RF_REAL_BITS == 32 ? RF_F32 : RF_F64,
    .linear_numbers = linear_numbers,
    .pack = pack,
    .linear = linear,
    .activation = {row_tanh, row_relu, row_logistic, row_softmax, row_log_softmax},
};
