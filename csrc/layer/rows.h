/* rows.h - what forward and backward share: where rows lie, scratch memory, states as rows. */
#ifndef RF_ROWS_H
#define RF_ROWS_H

#include <stdint.h>
#include <string.h>
#include RF_VEC_H
#include RF_CELL_H
#include "layer/layer.h"
#include "system/arena.h"

#define UNITS (RF_LINE / (int)sizeof(real)) /* hidden units in a block */

/* Vector `panel` of slot `slot` in a row of gates. */
static inline int64_t slot_offset(int64_t panel, int slot) {
  const uint64_t unit = (uint64_t)panel * VEC_LANES; /* unsigned, so that the divisions are shifts */
  return (int64_t)((unit / UNITS * CELL_SLOTS + (uint64_t)slot) * UNITS + unit % UNITS);
}

static inline int64_t hidden_blocks(const struct rf_layer *l) { return rf_blocks(l->hidden_size, sizeof(real)); }
static inline int64_t state_blocks(const struct rf_layer *l) { return rf_blocks(l->state_size, sizeof(real)); }
static inline int64_t panels_of(int64_t columns) { return (columns + VEC_LANES - 1) / VEC_LANES; }
static inline int64_t hidden_panels(const struct rf_layer *l) { return panels_of(l->hidden_size); }
static inline int64_t state_stride(const struct rf_layer *l) { return rf_row_stride(state_blocks(l), sizeof(real)); }
static inline int64_t cell_stride(const struct rf_layer *l) { return rf_row_stride(hidden_blocks(l), sizeof(real)); }
static inline int64_t gates_stride(const struct rf_layer *l) {
  return rf_row_stride(hidden_blocks(l) * CELL_SLOTS, sizeof(real));
}

/* This worker's vectors of units. */
static inline int64_t own_first(const struct rf_layer *l) { return l->unit_from / VEC_LANES; }
static inline int64_t own_end(const struct rf_layer *l) { return panels_of(l->unit_to); }

/* A state as rows have it: how many numbers, how many from row to row, and which of them are this worker's. */
struct state {
  int64_t size, stride, from, to;
};

static inline struct state state_h(const struct rf_layer *l) {
  return (struct state){l->state_size, state_stride(l), l->state_from, l->state_to};
}
static inline struct state state_c(const struct rf_layer *l) {
  return (struct state){l->hidden_size, cell_stride(l), l->unit_from, l->unit_to};
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

/* From this worker's first number on to its last, or to the end of the row. */
static inline void zero_own(const struct state *s, real *row) {
  const int64_t end = s->to == s->size ? s->stride : s->to;
  zero_reals(row + s->from, end - s->from);
}

/* A plan's rows of (B, size) from the caller, or NULL for zeros, into rows with a stride and zeros behind them. */
static void states_in(struct state s, const struct rf_plan *plan, const real *from, real *to) {
  for (int64_t b = plan->row_from; b < plan->row_to; b++) {
    zero_reals(to + b * s.stride, s.stride);
    if (from) copy_reals(to + b * s.stride, from + b * s.size, s.size);
  }
}

/* The same, this worker's numbers alone: for rows that workers share. */
static void own_states_in(struct state s, const struct rf_plan *plan, const real *from, real *to) {
  for (int64_t b = plan->row_from; b < plan->row_to; b++) {
    real *row = to + b * s.stride;
    zero_own(&s, row);
    if (from) copy_reals(row + s.from, from + b * s.size + s.from, s.to - s.from);
  }
}

/* This worker's rows and numbers of a state back into (B, size); `to` may be NULL. */
static void states_out(struct state s, const struct rf_plan *plan, const real *const *row, real *to) {
  if (!to) return;
  for (int64_t b = plan->row_from; b < plan->row_to; b++) {
    copy_reals(to + b * s.size + s.from, row[b] + s.from, s.to - s.from);
  }
}

#endif
