/* dropout_rows.h - dropout on rows: recurrent masks, and the inputs of a layer under theirs. */
#ifndef RF_DROPOUT_ROWS_H
#define RF_DROPOUT_ROWS_H

#include <stdint.h>
#include <stddef.h>
#include RF_VEC_H
#include RF_CELL_H
#include "layer/dropout.h"
#include "layer/layer.h"
#include "layer/rows.h"
#include "system/arena.h"

/* to = from * mask */
static void multiply_row(real *to, const real *from, const real *mask, int64_t count) {
  for (int64_t i = 0; i < count; i += VEC_LANES) {
    const int64_t left = count - i;
    v_store_n(to + i, left, v_mul(v_load_n(from + i, left), v_load_n(mask + i, left)));
  }
}

/* Masks of recurrent dropout, (B, state row), or NULL where it is off. */
static real *recurrent_masks(const struct rf_layer *l, struct arena *arena) {
  if (l->recurrent_dropout.probability == 0) return NULL;
  const int64_t stride = state_stride(l);
  real *masks = take_reals(arena, l->batch * stride);
  if (!masks) return NULL;
  for (int64_t b = l->plan.row_from; b < l->plan.row_to; b++) {
    zero_reals(masks + b * stride, stride);
    dropout_mask(&l->recurrent_dropout, l->seed, l->first_row + b, 0, l->state_size, masks + b * stride);
  }
  return masks;
}

/* Masks of input dropout, and the rows that they leave of x, in the same stretches. */
struct inputs {
  real *masks;     /* (B, input): one mask per sequence */
  real *step_mask; /* (input,): the mask of one step */
  real *dropped;   /* rows of x under dropout; NULL where there is none */
  int64_t stride;
};

static struct inputs inputs_make(const struct rf_layer *l, struct arena *arena) {
  struct inputs in = {.stride = l->x_segments * l->x_stride + l->input_size};
  if (l->input_dropout.probability == 0) return in;
  in.step_mask = take_reals(arena, l->input_size);
  if (l->input_dropout.every_step) return in;
  in.masks = take_reals(arena, l->batch * l->input_size);
  for (int64_t b = l->plan.row_from; in.masks && b < l->plan.row_to; b++) {
    dropout_mask(&l->input_dropout, l->seed, l->first_row + b, 0, l->input_size, in.masks + b * l->input_size);
  }
  return in;
}

static const real *input_mask(const struct rf_layer *l, const struct inputs *in, int64_t t, int64_t b) {
  if (in->masks) return in->masks + b * l->input_size;
  dropout_mask(&l->input_dropout, l->seed, l->first_row + b, l->first_step + t, l->input_size, in->step_mask);
  return in->step_mask;
}

static void input_drop(const struct rf_layer *l, const struct inputs *in, int64_t t, int64_t b, real *to) {
  const int64_t size = l->input_size / l->x_segments;
  const real *mask = input_mask(l, in, t, b), *from = view_row(&l->x, t, b);
  for (int64_t s = 0; s < l->x_segments; s++) {
    multiply_row(to + s * l->x_stride, from + s * l->x_stride, mask + s * size, size);
  }
}

#endif
