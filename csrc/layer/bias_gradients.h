/* bias_gradients.h - from a block of steps whose gates have become gradients: those of the biases. */
#ifndef RF_BIAS_GRADIENTS_H
#define RF_BIAS_GRADIENTS_H

#include <stdint.h>
#include RF_VEC_H
#include RF_CELL_H
#include "layer/backward_memory.h"
#include "layer/layer.h"
#include "layer/rows.h"
#include "product/summation.h"

static inline void add_to(real *to, real sum, int overwrite) { *to = (overwrite ? 0 : *to) + sum; }

/* This worker's share of the blocks of units: one sum over the rows for every slot. */
static void bias_gradients(const struct rf_layer *l, const struct backward *b, int64_t rows) {
  enum { VECTORS = UNITS / VEC_LANES };
  const int64_t first = rf_share(hidden_blocks(l), l->worker, l->workers);
  const int64_t end = rf_share(hidden_blocks(l), l->worker + 1, l->workers);
  for (int64_t m = first * CELL_SLOTS * UNITS; m < end * CELL_SLOTS * UNITS; m += UNITS) {
    vec sum[3][VECTORS]; /* of rows, of those sums, of those */
    for (int i = 0; i < 3 * VECTORS; i++) sum[i / VECTORS][i % VECTORS] = v_set1(0);
    for (int64_t k = 0; k < rows; k++) {
      const int close = k + 1 == rows ? 2 : (k + 1) % BIAS_CHAIN ? 0 : (k + 1) % (BIAS_CHAIN * BIAS_CHAIN) ? 1 : 2;
      for (int v = 0; v < VECTORS; v++) {
        sum[0][v] = v_add(sum[0][v], v_load(b->gates[k] + m + v * VEC_LANES));
        for (int i = 0; i < close; i++) {
          sum[i + 1][v] = v_add(sum[i + 1][v], sum[i][v]);
          sum[i][v] = v_set1(0);
        }
      }
    }
    for (int v = 0; v < VECTORS; v++) v_store(b->sums + m + v * VEC_LANES, sum[2][v]);
  }
  real *x = l->d_bias_ih, *h = l->d_bias_hh;
  for (int64_t unit = first * UNITS; unit < end * UNITS && unit < l->hidden_size; unit++) {
    for (int s = 0; s < CELL_SLOTS; s++) {
      const real sum = b->sums[(unit / UNITS * CELL_SLOTS + s) * UNITS + unit % UNITS];
      if (x && CELL_GATE_X[s] >= 0) add_to(&x[CELL_GATE_X[s] * l->hidden_size + unit], sum, b->overwrite);
      if (h && CELL_GATE_H[s] >= 0) add_to(&h[CELL_GATE_H[s] * l->hidden_size + unit], sum, b->overwrite);
    }
  }
}

#endif
