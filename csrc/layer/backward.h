/* backward.h - back-propagation through time for every cell: step by step the cell's gradient and the product with W_hh,
 * then per block of steps the gradients of weights and inputs as large products. */
#ifndef RF_BACKWARD_H
#define RF_BACKWARD_H

#include <math.h>
#include <stdint.h>
#include RF_VEC_H
#include RF_CELL_H
#include "layer/backward_memory.h"
#include "layer/backward_operands.h"
#include "layer/backward_step.h"
#include "layer/bias_gradients.h"
#include "layer/input_gradients.h"
#include "layer/layer.h"
#include "layer/pack.h"
#include "layer/rows.h"
#include "layer/weight_gradients.h"
#include "system/arena.h"

static void backward_begin(struct rf_layer *l, struct backward *b) {
  const struct state h = state_h(l), c = state_c(l);
  if (l->dx.base && !dx_once(l)) {
    pack_all_transposed(l, input_weights(l), gates_width(l, CELL_GATES), b->shared.weight_x);
  }
  for (int p = 0; p < CELL_PHASES && !state_once(l); p++) {
    pack_all_transposed(l, state_weights(l, p), gates_width(l, CELL_PHASE[p].gates), b->shared.weight_h[p]);
  }
  if (CELL_PROJECTS && !state_once(l)) {
    pack_all_transposed(l, projection_weights(l), l->state_size, b->shared.weight_r);
  }
  zero_reals(b->zeros, c.stride);
  states_in(h, &l->all, l->h0, b->h0); /* every row's: the weights' gradients are products with them */
  own_states_in(h, &l->plan, l->dh_n, b->dh);
  if (CELL_STATES > 1) states_in(c, &l->plan, l->c0, b->c0);
  if (CELL_STATES > 1) own_states_in(c, &l->plan, l->dc_n, b->dc);
  for (int64_t row = l->plan.row_from; row < l->plan.row_to; row++) {
    if (l->plan.last[row] != RF_FROM_ZEROS) continue;
    zero_own(&h, b->dh + row * h.stride);
    if (CELL_STATES > 1) zero_own(&c, b->dc + row * c.stride);
  }
  for (int64_t row = l->plan.row_from; row < l->plan.row_to && b->shared.held; row++) {
    zero_own(&h, b->shared.held + row * h.stride);
  }
  rf_layer_wait(l);
}

/* The norms of visits [first, end), summed in the order of rows and units, whichever worker had them. */
static void block_norms(const struct rf_layer *l, const struct backward *b, int64_t first, int64_t end) {
  for (int64_t visit = first; visit < end; visit++) {
    const int64_t t = rf_plan_step(&l->all, visit);
    double sum[2] = {0, 0};
    for (int64_t i = l->all.start[visit]; i < l->all.start[visit + 1]; i++) {
      const double *squares = b->shared.squares + 2 * hidden_blocks(l) * (i - b->first_entry);
      for (int64_t k = 0; k < 2 * hidden_blocks(l); k++) {
        if (k % 2 == 1 || k / 2 < state_blocks(l)) sum[k % 2] += squares[k];
      }
    }
    for (int k = 0; k < 2; k++) l->norms[t * l->norms_stride + k] = sqrt(sum[k]);
  }
}

/* One block of steps: this worker's rows through time, then its share of the gradients that sum over all rows. */
static void backward_block(struct rf_layer *l, struct backward *b, int64_t first, int64_t end) {
  for (int64_t visit = end - 1; visit >= first && !l->left; visit--) backward_step(l, b, visit);
  if (!l->left) rf_layer_wait(l);
  if (l->left) return;
  const int64_t rows = block_rows(l, b, first, end);
  pack_block(l, b, rows);
  if (l->norms && l->worker == 0) block_norms(l, b, first, end);
  rf_layer_wait(l);
  if (l->left) return;
  if (rows > 0) {
    weight_gradients(l, b, rows);
    bias_gradients(l, b, rows);
    b->overwrite = 0;
  }
  if (l->dx.base) input_gradients(l, b, first, end);
  if ((b->shared.d_gates || l->pairs) && first > 0)
    rf_layer_wait(l); /* the next block's gradients go where this one's were read */
}

static void layer_backward(struct rf_layer *l) {
  struct arena arena = {l->scratch, 0}, shared = {l->shared, 0};
  struct backward b = backward_make(l, &arena, &shared);
  b.overwrite = l->overwrite;
  backward_begin(l, &b);
  for (int64_t end = l->plan.t1 - l->plan.t0, first; end > 0 && !l->left; end = first) {
    first = block_first(&l->all, end);
    b.first_entry = l->all.start[first];
    backward_block(l, &b, first, end);
  }
  if (l->left) return;
  if (b.overwrite && l->worker == 0) no_gradients(l);
  const struct state h = state_h(l), c = state_c(l);
  const real **row = (const real **)b.h_row;
  for (int64_t i = l->plan.row_from; i < l->plan.row_to; i++) row[i] = b.dh + i * h.stride;
  states_out(h, &l->plan, row, l->dh0);
  for (int64_t i = l->plan.row_from; i < l->plan.row_to && CELL_STATES > 1; i++) row[i] = b.dc + i * c.stride;
  if (CELL_STATES > 1) states_out(c, &l->plan, row, l->dc0);
  rf_layer_wait(l); /* the next layer uses the same shared memory */
}

#endif
