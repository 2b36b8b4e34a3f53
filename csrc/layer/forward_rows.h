/* forward_rows.h - where the rows of a step lie: the states that it reads and writes, and y. */
#ifndef RF_FORWARD_ROWS_H
#define RF_FORWARD_ROWS_H

#include <stdint.h>
#include <string.h>
#include RF_VEC_H
#include RF_CELL_H
#include "layer/dropout_rows.h"
#include "layer/forward_memory.h"
#include "layer/layer.h"
#include "layer/rows.h"

/* Whether rows of y lie one behind another, those of a step together or those of a row of the batch. */
static int outputs_apart(const struct rf_layer *l) {
  const int64_t size = l->state_size, by_step = l->y.stride_t, by_row = l->y.stride_b;
  if (l->batch <= 1) return by_step >= size;
  return (by_row >= size && by_step >= (l->batch - 1) * by_row + size) ||
         (by_step >= size && by_row >= (l->plan.t1 - l->plan.t0 - 1) * by_step + size);
}

/* Whether states stand in y and nowhere else: in rows of whole lines, as states are, each in a place of its own. */
static int states_in_y(const struct rf_layer *l) {
  return !l->states.base && l->y.base && l->state_size % UNITS == 0 && outputs_apart(l);
}

/* Rows of states that step t reads and writes. Without `states` the new one goes to y or to whichever of two rows is
 * free. */
static void step_rows(const struct rf_layer *l, const struct forward *f, int64_t visit) {
  const int in_y = states_in_y(l);
  const int64_t t = rf_plan_step(&l->plan, visit), stride = state_stride(l), start = l->plan.start[visit];
  const int64_t of_c = CELL_PROJECTS ? cell_stride(l) : stride;
  for (int64_t i = 0; i < live_rows(&l->plan, visit); i++) {
    const int64_t b = l->plan.row[start + i];
    const int cut = l->plan.previous[start + i] == RF_FROM_ZEROS;
    const real *h = cut ? f->zeros : f->now_h[b];
    f->h_row[i] = f->h_dropped_row[i] = h;
    if (f->masks) {
      multiply_row(f->dropped + b * stride, h, f->masks + b * stride, l->state_size);
      zero_reals(f->dropped + b * stride + l->state_size, stride - l->state_size);
      f->h_dropped_row[i] = f->dropped + b * stride;
    }
    if (l->states.base) {
      f->h_next_row[i] = view_row(&l->states, t, b);
    } else if (in_y) {
      f->h_next_row[i] = view_row(&l->y, t, b);
    } else {
      f->h_next_row[i] = f->states[f->now_h[b] == f->states[0] + b * stride] + b * stride;
    }
    if (CELL_PHASES > 1 || CELL_PROJECTS) f->operand_row[i] = f->operand + b * of_c;
    if (CELL_STATES > 1) {
      f->c_row[i] = cut ? f->zeros : f->now_c[b];
      f->c_next_row[i] = l->cells.base ? view_row(&l->cells, t, b) : f->c0 + b * of_c;
      f->now_c[b] = f->c_next_row[i];
    }
    f->now_h[b] = f->h_next_row[i];
  }
}

/* y of one step: live rows from the new states; the others zeros or, to hold, what y held at the visit before. */
static void step_output(const struct rf_layer *l, const struct forward *f, int64_t visit) {
  const int64_t t = rf_plan_step(&l->plan, visit), before = l->plan.reverse ? t + 1 : t - 1;
  const int64_t start = l->plan.start[visit], live = live_rows(&l->plan, visit), from = l->state_from;
  const int64_t count = l->state_to - from;
  const int in_y = states_in_y(l);
  for (int64_t b = l->plan.row_from, i = 0; b < l->plan.row_to; b++) {
    real *y = view_row(&l->y, t, b) + from;
    if (i < live && l->plan.row[start + i] == b) {
      if (!in_y) copy_reals(y, f->h_next_row[i] + from, count);
      i++;
    } else if (l->hold && before >= 0 && before < l->steps) {
      memmove(y, view_row(&l->y, before, b) + from, (size_t)count * sizeof(real));
    } else {
      zero_reals(y, count);
    }
  }
}

#endif
