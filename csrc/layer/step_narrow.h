/* step_narrow.h - one step of a layer whose weights are of a narrow type: products of some rows, then the cell. */
#ifndef RF_STEP_NARROW_H
#define RF_STEP_NARROW_H

#include <stddef.h>
#include <stdint.h>
#include RF_VEC_H
#include RF_CELL_H
#include "layer/forward_narrow.h"
#include "layer/forward_tiles.h"
#include "layer/layer.h"
#include "layer/pack.h"
#include "layer/rows.h"
#include "layer/step.h"
#include "system/arena.h"

enum { STEP_ROWS = 16 }; /* at a time, for which there is scratch: a tile of AMX */

/* The same layer as a sequence has it, of one worker. */
static struct rf_layer step_layer(const struct rf_step *s) {
  return (struct rf_layer){
      .unit_to = s->hidden_size,
      .state_to = s->hidden_size,
      .workers = 1,
      .input_size = s->input_size,
      .hidden_size = s->hidden_size,
      .state_size = s->hidden_size,
      .weight_ih = s->weight_ih,
      .weight_hh = s->weight_hh,
      .bias_ih = s->bias_ih,
      .bias_hh = s->bias_hh,
      .packed = s->packed,
      .weights = s->weights,
      .x_segments = 1,
  };
}

static size_t step_narrow_bytes(const struct rf_step *s) {
  const struct rf_cell_shape shape = {.gates = CELL_GATES, .slots = CELL_SLOTS};
  return sizeof(real) *
         (size_t)rf_packed_numbers(&shape, 1, s->input_size, s->hidden_size, s->hidden_size, sizeof(real), s->weights);
}

static void step_narrow_pack(const struct rf_step *s) {
  const struct rf_layer l = step_layer(s);
  layer_pack(&l);
}

/* Rows of gates and, for a second phase, of its operand; behind them the room of products. */
static size_t step_narrow_rows_bytes(const struct rf_step *s, const struct rf_layer *l) {
  return sizeof(real) * STEP_ROWS * (size_t)(gates_stride(l) + (CELL_PHASES > 1 ? s->state_stride : 0));
}

static size_t step_narrow_workspace_bytes(const struct rf_step *s) {
  const struct rf_layer l = step_layer(s);
  return step_narrow_rows_bytes(s, &l) + narrow_room_bytes(s->weights, STEP_ROWS);
}

/* Some rows: nothing reads the old h after the last product with it, so the new one goes there. */
static void step_narrow_rows(const struct rf_layer *l, const struct rf_step *s, int64_t count, const real *x, real *h,
                             real *c, real *scratch) {
  const struct packed packed = packed_parts(l, l->packed);
  const real *x_row[STEP_ROWS];
  real *h_row[STEP_ROWS], *c_row[STEP_ROWS], *gates[STEP_ROWS], *operand[STEP_ROWS];
  for (int64_t r = 0; r < count; r++) {
    x_row[r] = x + r * s->x_stride;
    h_row[r] = h + r * s->state_stride;
    c_row[r] = CELL_STATES > 1 ? c + r * s->state_stride : NULL;
    gates[r] = scratch + r * gates_stride(l);
    operand[r] = scratch + STEP_ROWS * gates_stride(l) + r * s->state_stride;
  }
  const real *const *const old_h = (const real *const *)h_row;
  struct step step = {
      .operand = {x_row, count, 1, s->input_size, 0},
      .panels = {.room = (real *)((char *)scratch + step_narrow_rows_bytes(s, l))},
      .bias = packed.bias,
      .gates = gates,
      .h = old_h,
      .h_dropped = old_h,
      .c = (const real *const *)c_row,
      .h_next = h_row,
      .c_next = c_row,
      .operand_next = operand,
  };
  gates_narrow(INPUT_PRODUCT, l, &step, &packed, 0);
  for (int phase = 0; phase < CELL_PHASES; phase++) {
    step.operand = (struct rows){phase == 0 ? old_h : (const real *const *)operand, count, 1, s->hidden_size, 0};
    gates_narrow(phase, l, &step, &packed, 0);
  }
}

static void step_narrow_run(const struct rf_step *s, int64_t batch, const void *x, void *y, void *h, void *c,
                            int64_t turn, void *workspace) {
  (void)turn;
  const struct rf_layer l = step_layer(s);
  for (int64_t row = 0; row < batch; row += STEP_ROWS) {
    const int64_t count = batch - row < STEP_ROWS ? batch - row : STEP_ROWS;
    real *of_h = (real *)h + row * s->state_stride;
    step_narrow_rows(&l, s, count, (const real *)x + row * s->x_stride, of_h, (real *)c + row * s->state_stride,
                     workspace);
    for (int64_t r = row; r < row + count && y; r++) {
      copy_reals((real *)y + r * s->y_stride, (real *)h + r * s->state_stride, s->hidden_size);
    }
  }
}

#endif
