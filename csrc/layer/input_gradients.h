/* input_gradients.h - from a block of steps whose gates have become gradients: those of the inputs. */
#ifndef RF_INPUT_GRADIENTS_H
#define RF_INPUT_GRADIENTS_H

#include <stdint.h>
#include RF_VEC_H
#include RF_CELL_H
#include "layer/backward_memory.h"
#include "layer/backward_operands.h"
#include "layer/dropout_rows.h"
#include "layer/layer.h"
#include "layer/pack.h"
#include "layer/rows.h"
#include "product/product.h"
#include "product/summation.h"

/* What dx is a product with. */
static const real *input_gates(const struct rf_layer *l, const struct backward *b, int64_t entry, real *gates) {
  if (l->pairs) return b->shared.pairs.base + entry * b->shared.pairs.stride;
  return gradient_row(l, b->shared.d_gates, entry, gates);
}

/* Pointers to this worker's live rows of visits [first, end): their gates, and dx from `column` on, which is zeros at steps
 * that are not live. Returns how many. */
static int64_t input_rows(const struct rf_layer *l, const struct backward *b, int64_t first, int64_t end,
                          int64_t column, int64_t columns, const real **gates) {
  int64_t n = 0;
  for (int64_t visit = first; visit < end; visit++) {
    const int64_t t = rf_plan_step(&l->plan, visit), start = l->plan.start[visit], live = live_rows(&l->plan, visit);
    const int64_t entry = b->shared.d_gates || l->pairs ? own_entry(l, b, visit) : 0;
    for (int64_t row = l->plan.row_from, i = 0; row < l->plan.row_to; row++) {
      if (i < live && l->plan.row[start + i] == row) {
        gates[n] = input_gates(l, b, entry + i++, view_row(&l->gates, t, row));
        b->dx[n++] = view_row(&l->dx, t, row);
      } else if (l->dx_first) {
        zero_reals(view_row(&l->dx, t, row) + column, columns - column);
      }
    }
  }
  return n;
}

/* The mask of input dropout on dx[column..columns) of visits [first, end). */
static void input_gradients_drop(const struct rf_layer *l, const struct backward *b, int64_t first, int64_t end,
                                 int64_t column, int64_t columns) {
  for (int64_t visit = first, k = 0; visit < end; visit++) {
    const int64_t t = rf_plan_step(&l->plan, visit);
    for (int64_t i = l->plan.start[visit]; i < l->plan.start[visit + 1]; i++, k++) {
      const real *mask = input_mask(l, &b->inputs, t, l->plan.row[i]);
      multiply_row(b->dx[k] + column, b->dx[k] + column, mask + column, columns - column);
    }
  }
}

/* dx of this worker's rows, or where units are shared out of its columns. */
static void input_gradients(const struct rf_layer *l, const struct backward *b, int64_t first, int64_t end) {
  const real **gates = b->x; /* the block's inputs are packed by now */
  const int64_t blocks = rf_blocks(l->input_size, sizeof(real));
  const int64_t column = l->by_units ? rf_share(blocks, l->worker, l->workers) * UNITS : 0;
  int64_t columns = l->by_units ? rf_share(blocks, l->worker + 1, l->workers) * UNITS : l->input_size;
  if (columns > l->input_size) columns = l->input_size;
  const int64_t n = input_rows(l, b, first, end, column, columns, gates);
  const struct weights weights = input_weights(l);
  const struct product p = {
      .a = gates_operand(l, gates, n, 0, CELL_GATES),
      .a_step = 1,
      .part = gradient_part(gates_width(l, CELL_GATES)),
      .b = {b->shared.weight_x, dx_once(l) ? pack_transposed : NULL, &weights, b->room, 0},
      .c = b->dx,
      .first = column / VEC_LANES,
      .columns = columns,
      .cache = &l->cache,
      .overwrite = l->dx_first,
  };
  gradient_product(l, &p, &weights);
  if (l->input_dropout.probability > 0 && l->dx_last) input_gradients_drop(l, b, first, end, column, columns);
}

#endif
