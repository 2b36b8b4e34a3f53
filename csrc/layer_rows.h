/* layer_rows.h - what forward and backward share: where rows lie, scratch memory, states and inputs as rows. */
#ifndef RF_LAYER_ROWS_H
#define RF_LAYER_ROWS_H

#define UNITS (RF_LINE / (int)sizeof(real)) /* hidden units in a block */

/* Vector `panel` of slot `slot` in a row of gates. */
static inline int64_t slot_offset(int64_t panel, int slot) {
  const uint64_t unit = (uint64_t)panel * VEC_LANES; /* unsigned, so that the divisions are shifts */
  return (int64_t)((unit / UNITS * CELL_SLOTS + (uint64_t)slot) * UNITS + unit % UNITS);
}

static inline int64_t hidden_blocks(const struct rf_layer *l) { return rf_blocks(l->hidden_size, sizeof(real)); }
static inline int64_t hidden_panels(const struct rf_layer *l) { return (l->hidden_size + VEC_LANES - 1) / VEC_LANES; }
static inline int64_t state_stride(const struct rf_layer *l) { return rf_row_stride(hidden_blocks(l), sizeof(real)); }
static inline int64_t gates_stride(const struct rf_layer *l) {
  return rf_row_stride(hidden_blocks(l) * CELL_SLOTS, sizeof(real));
}

static inline real *view_row(const struct rf_view *view, int64_t t, int64_t b) {
  return (real *)view->base + t * view->stride_t + b * view->stride_b;
}

static inline int64_t live_rows(const struct rf_plan *plan, int64_t visit) {
  return plan->start[visit + 1] - plan->start[visit];
}

static inline real *take_reals(struct arena *arena, int64_t count) { return take(arena, count, sizeof(real)); }
static inline void *take_pointers(struct arena *arena, int64_t count) { return take(arena, count, sizeof(void *)); }

static inline void zero_reals(real *to, int64_t count) { memset(to, 0, (size_t)count * sizeof(real)); }
static inline void copy_reals(real *to, const real *from, int64_t count) {
  memcpy(to, from, (size_t)count * sizeof(real));
}

/* (B, H) from the caller, or NULL for zeros, into rows with a stride and zeros behind them. */
static void states_in(const struct rf_layer *l, const real *from, real *to) {
  const int64_t stride = state_stride(l), size = l->hidden_size;
  for (int64_t b = 0; b < l->batch; b++, to += stride) {
    if (from) copy_reals(to, from + b * size, size);
    zero_reals(to + (from ? size : 0), stride - (from ? size : 0));
  }
}

/* Rows of states back into (B, H); `to` may be NULL. */
static void states_out(const struct rf_layer *l, const real *const *row, real *to) {
  if (!to) return;
  for (int64_t b = 0; b < l->batch; b++) copy_reals(to + b * l->hidden_size, row[b], l->hidden_size);
}

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
  zero_reals(masks, l->batch * stride);
  for (int64_t b = 0; b < l->batch; b++) {
    dropout_mask(&l->recurrent_dropout, l->seed, l->first_row + b, 0, l->hidden_size, masks + b * stride);
  }
  return masks;
}

/* The layer's inputs as rows, dropped where there is input dropout. */
struct inputs {
  real *masks;     /* (B, input): one mask per sequence */
  real *step_mask; /* (input,): the mask of one step */
  real *dropped;   /* rows with the same stretches as x's */
  int64_t stride;
};

static struct inputs inputs_make(const struct rf_layer *l, int64_t most_rows, struct arena *arena) {
  struct inputs in = {.stride = l->x_segments * l->x_stride + l->input_size};
  if (l->input_dropout.probability == 0) return in;
  in.dropped = take_reals(arena, most_rows * in.stride);
  in.step_mask = take_reals(arena, l->input_size);
  if (l->input_dropout.every_step) return in;
  in.masks = take_reals(arena, l->batch * l->input_size);
  for (int64_t b = 0; in.masks && b < l->batch; b++) {
    dropout_mask(&l->input_dropout, l->seed, l->first_row + b, 0, l->input_size, in.masks + b * l->input_size);
  }
  return in;
}

static const real *input_mask(const struct rf_layer *l, const struct inputs *in, int64_t t, int64_t b) {
  if (in->masks) return in->masks + b * l->input_size;
  dropout_mask(&l->input_dropout, l->seed, l->first_row + b, t, l->input_size, in->step_mask);
  return in->step_mask;
}

/* Fills row[] with the live inputs of visits [first, end), in the plan's order. */
static void inputs_find(const struct rf_layer *l, const struct inputs *in, int64_t first, int64_t end,
                        const real **row) {
  const int64_t size = l->input_size / l->x_segments;
  int64_t n = 0;
  for (int64_t visit = first; visit < end; visit++) {
    const int64_t t = rf_plan_step(&l->plan, visit);
    for (int64_t i = l->plan.start[visit]; i < l->plan.start[visit + 1]; i++, n++) {
      const int64_t b = l->plan.row[i];
      row[n] = view_row(&l->x, t, b);
      if (!in->dropped) continue;
      const real *mask = input_mask(l, in, t, b);
      real *to = in->dropped + n * in->stride;
      for (int64_t s = 0; s < l->x_segments; s++) {
        multiply_row(to + s * l->x_stride, row[n] + s * l->x_stride, mask + s * size, size);
      }
      row[n] = to;
    }
  }
}

#endif
