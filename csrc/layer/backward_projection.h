/* backward_projection.h - back through the projection of a cell that has one: from dL/dh', which the step has in whole, to
 * the gradient of what the cell showed it, o tanh(c') of an LSTM, and over a block of steps to that of W_hr.
 *
 * Of a block, in shared memory: `d_state`, dL/dh' of every live row, and `shown`, the operand of W_hr, which
 * backward_cell.h leaves there, both packed as `packed_d` and `packed_r` for dW_hr; of a step, `d_shown`. W_hr stands in
 * panels of units, `weight_r`. */
#ifndef RF_BACKWARD_PROJECTION_H
#define RF_BACKWARD_PROJECTION_H

#include <stdint.h>
#include RF_VEC_H
#include RF_CELL_H
#include "layer/backward_memory.h"
#include "layer/backward_operands.h"
#include "layer/layer.h"
#include "layer/pack.h"
#include "layer/rows.h"
#include "product/product.h"
#include "product/summation.h"

/* The squares of this worker's numbers of dL/dh', block by block. */
static void state_squares(const struct state *h, const real *dh, double *squares) {
  for (int64_t i = h->from; i < h->to; i++) {
    const double square = (double)dh[i] * (double)dh[i];
    squares[i / UNITS * 2] = (i % UNITS ? squares[i / UNITS * 2] : 0) + square;
  }
}

/* dL/dh' of one visit's rows put aside, so that in its place that of the state before can be gathered, beginning with
 * nothing: no h' goes into it but through W_hh. */
static void put_aside(const struct rf_layer *l, const struct backward *b, int64_t rows) {
  const struct state h = state_h(l);
  for (int64_t i = 0; i < rows; i++) {
    copy_reals(b->d_state_row[i] + h.from, b->dh_row[i] + h.from, h.to - h.from);
    if (l->norms) state_squares(&h, b->dh_row[i], b->squares_row[i]);
    zero_own(&h, b->dh_row[i]);
    if (b->masks) zero_own(&h, b->d_operand_row[i]);
  }
}

/* From there the gradients of what the cell showed, this worker's units. */
static void through_projection(struct rf_layer *l, const struct backward *b, int64_t rows) {
  put_aside(l, b, rows);
  rf_units_wait(l);
  if (l->left) return;
  const struct weights weights = projection_weights(l);
  const struct rows operand = {(const real *const *)b->d_state_row, rows, 1, l->state_size, 0};
  const struct product p = {
      .a = l->pairs ? rows_rounded(operand, b->state_pairs, b->all_gates) : operand,
      .a_step = 1,
      .part = gradient_part(l->state_size),
      .b = {b->shared.weight_r, state_once(l) ? pack_transposed : NULL, &weights, b->room, 0},
      .c = b->d_shown_row,
      .first = own_first(l),
      .columns = own_end(l) * VEC_LANES,
      .cache = &l->cache,
      .overwrite = 1,
  };
  gradient_product(l, &p, &weights);
}

#endif
