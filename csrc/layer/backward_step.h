/* backward_step.h - one step back: dy comes in, the cell's gradient, and W_hh^T times that is added to dL/dh of the step
 * before. */
#ifndef RF_BACKWARD_STEP_H
#define RF_BACKWARD_STEP_H

#include <stdint.h>
#include <string.h>
#include RF_VEC_H
#include RF_CELL_H
#include "layer/backward_cell.h"
#include "layer/backward_memory.h"
#include "layer/backward_operands.h"
#include "layer/backward_projection.h"
#include "layer/dropout_rows.h"
#include "layer/layer.h"
#include "layer/pack.h"
#include "layer/rows.h"
#include "product/product.h"
#include "product/summation.h"

static void add_row(real *to, const real *from, int64_t count) {
  for (int64_t i = 0; i < count; i += VEC_LANES) {
    v_store_n(to + i, count - i, v_add(v_load_n(to + i, count - i), v_load_n(from + i, count - i)));
  }
}

/* Adds dy of one step to dh; what a step that is not live repeats waits in `held` until the step it repeats. */
static void add_output_gradient(const struct rf_layer *l, const struct backward *b, int64_t visit) {
  const int64_t t = rf_plan_step(&l->plan, visit), start = l->plan.start[visit], stride = state_stride(l);
  const int64_t live = live_rows(&l->plan, visit), from = l->state_from, size = l->state_to - from;
  for (int64_t row = l->plan.row_from, i = 0; row < l->plan.row_to; row++) {
    real *dh = b->dh + row * stride + from;
    real *held = l->hold ? (b->shared.held ? b->shared.held : (real *)l->held) + row * stride + from : NULL;
    const real *dy = l->dy.base ? view_row(&l->dy, t, row) + from : NULL;
    if (i < live && l->plan.row[start + i] == row) {
      if (dy) add_row(dh, dy, size);
      if (held) add_row(dh, held, size);
      if (held) zero_reals(held, size);
      i++;
    } else if (held && dy) {
      add_row(held, dy, size);
    }
  }
}

/* Pointers to the rows of one visit, and which of them reach an earlier state. Returns how many do. */
static int64_t backward_rows(const struct rf_layer *l, const struct backward *b, int64_t visit) {
  const int64_t t = rf_plan_step(&l->plan, visit), start = l->plan.start[visit], stride = state_stride(l);
  const int64_t first_entry = own_entry(l, b, visit);
  const int64_t of_c = CELL_PROJECTS ? cell_stride(l) : stride;
  const int start_wanted = l->dh0 || l->dc0;
  real *d_gates = b->shared.d_gates;
  int64_t through = 0;
  for (int64_t i = 0; i < live_rows(&l->plan, visit); i++) {
    const int64_t row = l->plan.row[start + i], previous = l->plan.previous[start + i];
    const int64_t entry = first_entry + i;
    real *gates = view_row(&l->gates, t, row);
    b->saved_row[i] = gates;
    b->gates_row[i] = gradient_row(l, d_gates, entry, gates);
    if (l->pairs) b->pairs_row[i] = b->shared.pairs.base + entry * b->shared.pairs.stride;
    b->h_row[i] = b->h_dropped_row[i] = past_row(&l->states, b->h0, stride, b->zeros, previous, row);
    b->dh_row[i] = b->dh + row * stride;
    if (CELL_STATES > 1) {
      b->c_row[i] = past_row(&l->cells, b->c0, of_c, b->zeros, previous, row);
      b->c_next_row[i] = view_row(&l->cells, t, row);
      b->dc_row[i] = b->dc + row * of_c;
    }
    if (CELL_PROJECTS) {
      b->d_state_row[i] = b->shared.d_state + entry * stride;
      b->shown_row[i] = b->shared.shown + entry * of_c;
      b->d_shown_row[i] = b->d_shown + row * of_c;
    }
    if (b->d_operand) b->d_operand_row[i] = b->d_operand + row * stride;
    if (CELL_PHASES > 1) b->operand_row[i] = b->shared.operand[1] + entry * stride;
    if (b->masks) {
      const int64_t from = l->state_from;
      real *dropped = b->shared.operand[0] + entry * stride;
      zero_reals(dropped + from, panels_of(l->state_to) * VEC_LANES - from);
      multiply_row(dropped + from, b->h_row[i] + from, b->masks + row * stride + from, l->state_to - from);
      b->h_dropped_row[i] = dropped;
    }
    if (l->norms) b->squares_row[i] = b->shared.squares + 2 * hidden_blocks(l) * entry;
    if (b->shared.dropped_x && l->d_weight_ih && (!l->by_units || row % l->workers == l->worker))
      input_drop(l, &b->inputs, t, row, b->shared.dropped_x + entry * b->inputs.stride);
    if (previous == RF_FROM_ZEROS || (previous == RF_FROM_START && !start_wanted)) continue;
    b->through_gates[through] = l->pairs ? b->pairs_row[i] : b->gates_row[i];
    b->through_to[through++] = b->masks ? b->d_operand_row[i] : b->dh_row[i];
  }
  return through;
}

/* to += (or =) gradients of a phase's pre-activations times its rows of W_hh */
static void state_product(const struct rf_layer *l, const struct backward *b, int phase, int64_t rows,
                          const real **gates, real *const *to, int overwrite) {
  const struct weights weights = state_weights(l, phase);
  const struct product p = {
      .a = gates_operand(l, gates, rows, CELL_PHASE[phase].slot, CELL_PHASE[phase].gates),
      .a_step = 1,
      .part = gradient_part(gates_width(l, CELL_PHASE[phase].gates)),
      .b = {b->shared.weight_h[phase], state_once(l) ? pack_transposed : NULL, &weights, b->room, 0},
      .c = to,
      .first = l->state_from / VEC_LANES,
      .columns = panels_of(l->state_to) * VEC_LANES,
      .cache = &l->cache,
      .overwrite = overwrite,
  };
  gradient_product(l, &p, &weights);
}

static void backward_step(struct rf_layer *l, const struct backward *b, int64_t visit) {
  const int64_t live = live_rows(&l->plan, visit), start = l->plan.start[visit];
  if (l->dy.base || l->hold) add_output_gradient(l, b, visit);
  const int64_t through = backward_rows(l, b, visit);
  if (CELL_PROJECTS) through_projection(l, b, live);
  if (CELL_PROJECTS && l->left) return;
  cell_backward_rows(CELL_PHASES - 1, l, b, live);
  rf_units_wait(l);
  if (CELL_PHASES > 1 && !l->left) {
    memcpy(b->all_gates, l->pairs ? b->pairs_row : b->gates_row, (size_t)live * sizeof *b->all_gates);
    state_product(l, b, 1, live, b->all_gates, b->d_operand_row, 1);
    cell_backward_rows(0, l, b, live);
    rf_units_wait(l);
  }
  if (l->left) return;
  state_product(l, b, 0, through, b->through_gates, b->through_to, 0);
  const struct state h = state_h(l), c = state_c(l);
  for (int64_t i = 0; i < live; i++) {
    const int64_t row = l->plan.row[start + i];
    if (l->plan.previous[start + i] == RF_FROM_ZEROS) {
      zero_own(&h, b->dh_row[i]);
      if (CELL_STATES > 1) zero_own(&c, b->dc_row[i]);
    } else if (b->masks) {
      real *d_operand = b->d_operand_row[i] + h.from;
      multiply_row(d_operand, d_operand, b->masks + row * h.stride + h.from, h.to - h.from);
      add_row(b->dh_row[i] + h.from, d_operand, h.to - h.from);
    }
  }
}

#endif
