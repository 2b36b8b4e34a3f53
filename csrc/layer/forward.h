/* forward.h - the forward time loop of every cell: input products a chunk of steps at a time, then step by step the
 * recurrent product with the cell applied to each tile of sums as it is done. */
#ifndef RF_FORWARD_H
#define RF_FORWARD_H

#include <stddef.h>
#include <stdint.h>
#include RF_VEC_H
#include RF_CELL_H
#include "layer/dropout_rows.h"
#include "layer/forward_alone.h"
#include "layer/forward_few.h"
#include "layer/forward_memory.h"
#include "layer/forward_narrow.h"
#include "layer/forward_pairs.h"
#include "layer/forward_rows.h"
#include "layer/forward_tiles.h"
#include "layer/layer.h"
#include "layer/pack.h"
#include "layer/rows.h"
#include "product/product.h"
#include "product/summation.h"
#include "system/arena.h"

static void forward_begin(const struct rf_layer *l, struct forward *f) {
  const struct state h = state_h(l), c = state_c(l);
  f->packed = packed_parts(l, l->packed);
  zero_reals(f->zeros, c.stride);
  states_in(h, &l->plan, l->h0, f->h0);
  if (CELL_STATES > 1) own_states_in(c, &l->plan, l->c0, f->c0);
  for (int64_t b = l->plan.row_from; b < l->plan.row_to; b++) {
    f->now_h[b] = f->h0 + b * h.stride;
    f->now_c[b] = CELL_STATES > 1 ? f->c0 + b * c.stride : NULL;
  }
}

static void chunk_inputs(const struct rf_layer *l, const struct forward *f, int64_t first, int64_t end) {
  int64_t n = 0;
  for (int64_t visit = first; visit < end; visit++) {
    const int64_t t = rf_plan_step(&l->plan, visit);
    for (int64_t i = l->plan.start[visit]; i < l->plan.start[visit + 1]; i++, n++) {
      const int64_t b = l->plan.row[i];
      f->chunk_gates[n] = l->gates.base ? view_row(&l->gates, t, b) : f->gates + n * gates_stride(l);
      f->x_row[n] = view_row(&l->x, t, b);
      if (l->input_dropout.probability == 0) continue;
      f->x_row[n] = f->inputs.dropped + n * f->inputs.stride;
      input_drop(l, &f->inputs, t, b, (real *)f->x_row[n]);
    }
  }
  const struct weights weights = input_weights(l);
  const struct step s = {
      .operand = {f->x_row, n, l->x_segments, l->input_size / l->x_segments, l->x_stride},
      .panels = {f->packed.x, input_once(l) ? pack_gates : NULL, &weights, f->room, 0},
      .bias = f->packed.bias,
      .gates = f->chunk_gates,
  };
  if (l->pairs) {
    gates_pairs(INPUT_PRODUCT, l, f, &s, &weights);
  } else if (NARROW_WEIGHTS(l)) {
    gates_narrow(INPUT_PRODUCT, l, &s, &f->packed, 0);
  } else if (rows_few(input_once(l), n)) {
    gates_few(INPUT_PRODUCT, l, &s, &weights, NULL);
  } else {
    gates_run(&input_tile_family, l, &s);
  }
}

/* h' = W_hr times what the cell left, this worker's numbers of it. */
static void project(const struct rf_layer *l, const struct forward *f, int64_t visit) {
  const int64_t live = live_rows(&l->plan, visit);
  const struct weights weights = projection_weights(l);
  const struct rows operand = {(const real *const *)f->operand_row, live, 1, l->hidden_size, 0};
  if (NARROW_WEIGHTS(l)) {
    project_narrow(l, operand, &f->packed, f->h_next_row, f->room);
    return;
  }
  if (step_few(l, visit)) {
    project_few(l, operand, &weights, f->h_next_row, state_first(l) ? (real *)f->packed.r : NULL);
    return;
  }
  const struct product p = {
      .a = l->pairs ? rows_rounded(operand, f->pairs, f->pairs_row) : operand,
      .a_step = 1,
      .part = sum_part(l->hidden_size),
      .b = {f->packed.r, state_once(l) ? pack_gates : NULL, &weights, f->room, 0},
      .c = f->h_next_row,
      .first = l->state_from / VEC_LANES,
      .columns = panels_of(l->state_to) * VEC_LANES,
      .cache = &l->cache,
      .overwrite = 1,
  };
  layer_product(l, &p);
}

static void forward_step(struct rf_layer *l, const struct forward *f, int64_t visit, real *const *gates) {
  const int64_t live = live_rows(&l->plan, visit);
  step_rows(l, f, visit);
  for (int phase = 0; phase < CELL_PHASES && !l->left; phase++) {
    const real *const *operand = phase == 0 ? f->h_dropped_row : (const real *const *)f->operand_row;
    const struct weights weights = state_weights(l, phase);
    const struct step s = {
        .operand = {operand, live, 1, l->state_size, 0},
        .panels = {f->packed.h[phase], state_once(l) ? pack_gates : NULL, &weights, f->room, visit & 1},
        .keep = l->gates.base != NULL,
        .gates = gates,
        .h = f->h_row,
        .h_dropped = f->h_dropped_row,
        .c = f->c_row,
        .h_next = f->h_next_row,
        .c_next = f->c_next_row,
        .operand_next = f->operand_row,
    };
    if (l->pairs) {
      gates_pairs(phase, l, f, &s, &weights);
    } else if (NARROW_WEIGHTS(l)) {
      gates_narrow(phase, l, &s, &f->packed, visit & 1);
    } else if (step_few(l, visit)) {
      gates_few(phase, l, &s, &weights, state_first(l) ? (real *)f->packed.h[phase] : NULL);
    } else {
      gates_run(phase_family[phase], l, &s);
    }
    rf_units_wait(l);
  }
  if (CELL_PROJECTS && !l->left) {
    project(l, f, visit);
    rf_units_wait(l);
  }
  if (l->y.base && !l->left) step_output(l, f, visit);
}

/* The time loop, left where this worker parts from the others. */
static void forward_steps(struct rf_layer *l, struct forward *f) {
  const int64_t visits = l->plan.t1 - l->plan.t0;
  for (int64_t first = 0, end; first < visits && !l->left; first = end) {
    for (end = first + 1; end < visits && l->plan.start[end + 1] - l->plan.start[first] <= f->chunk_rows;) end++;
    chunk_inputs(l, f, first, end);
    for (int64_t visit = first; visit < end && !l->left; visit++) {
      forward_step(l, f, visit, f->chunk_gates + (l->plan.start[visit] - l->plan.start[first]));
    }
  }
}

static void forward_alone(const struct rf_layer *l, const struct forward *f) {
  for (int64_t visit = 0; visit < l->plan.t1 - l->plan.t0; visit++) {
    step_rows(l, f, visit);
    alone_step(l, f, visit);
    if (l->y.base) step_output(l, f, visit);
  }
}

static void layer_forward(struct rf_layer *l) {
  struct arena arena = {l->scratch, 0}, shared = {l->shared, 0};
  struct forward f = forward_make(l, &arena, &shared);
  forward_begin(l, &f);
  if (row_alone(l)) {
    forward_alone(l, &f);
  } else {
    forward_steps(l, &f);
  }
  if (l->left) return;
  for (int64_t b = l->plan.row_from; b < l->plan.row_to; b++) {
    if (l->plan.last[b] == RF_FROM_ZEROS) f.now_h[b] = f.now_c[b] = f.zeros;
  }
  states_out(state_h(l), &l->plan, f.now_h, l->h_n);
  if (CELL_STATES > 1) states_out(state_c(l), &l->plan, f.now_c, l->c_n);
  rf_units_wait(l); /* the next layer uses the same shared memory */
}

#endif
