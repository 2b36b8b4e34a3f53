/* backward_memory.h - the scratch of a backward call: what all workers share, what each has for itself. */
#ifndef RF_BACKWARD_MEMORY_H
#define RF_BACKWARD_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include RF_VEC_H
#include RF_CELL_H
#include "include/rnnfast.h"
#include "layer/dropout_rows.h"
#include "layer/layer.h"
#include "layer/pack.h"
#include "layer/pairs.h"
#include "layer/rows.h"
#include "product/gemm.h"
#include "product/summation.h"
#include "product/tile.h"
#include "system/arena.h"

#define PACKED_ROWS                                                                                                    \
  (16 * TILE_ROWS_PLAIN) /* of gradients, transposed at once: 96 KB of float32 at 256 rows of a block */

/* Numbers of a row of gates in `gates` of its slots. */
static inline int64_t gates_width(const struct rf_layer *l, int gates) { return hidden_blocks(l) * UNITS * gates; }

/* Arrays "of a block" have an entry for every live row of one block of steps, in the plan's order. */
struct shared {
  real *weight_x, *weight_h[CELL_PHASES]; /* panels that dx and dh are products with */
  real *dropped_x; /* of a block: inputs under dropout */
  real *operand[2]; /* of a block: what phase 0 under dropout and phase 1 multiplied W_hh with */
  real *packed_x, *packed_h[CELL_PHASES]; /* inputs and operands of a block's live rows, as panels */
  real *weight_r, *shown, *d_state, *packed_r, *packed_d; /* see backward_projection.h */
  double *squares; /* of a block: squared norms of dh and dc, for every block of units */
  struct pair_rows pairs; /* of a block: gradients of gates, rounded */
  real *d_gates, *held; /* of a block: gradients of gates; (B, row): what the layer's `held` is. NULL: in the reserve */
};

/* Pointer arrays hold one entry per live row of a block, or of one step (`..._row`), or per row of weights (`left`,
 * `into`). `saved_row`: gates as forward left them, which become gradients in `gates_row`. `through_...`: the rows of a
 * step whose gradient goes on to an earlier state. */
struct backward {
  struct shared shared;
  struct inputs inputs;
  real *h0, *c0, *zeros, *dh, *dc, *masks, *d_operand, *d_shown;
  const real **gates, **x, **operand[CELL_PHASES], **shown, **d_state;
  real **dx;
  real **saved_row, **gates_row, **pairs_row, **dh_row, **dc_row, **d_operand_row, **operand_row, **shown_row,
      **d_shown_row, **d_state_row;
  const real **h_row, **h_dropped_row, **c_row, **c_next_row, **all_gates, **through_gates;
  real **through_to;
  double **squares_row;
  real *packed_gates, *sums, *room;
  int overwrite; /* no gradient of a weight has been written yet, and what is there does not count */
  int64_t first_entry; /* of the block, among those of the plan of every row */
  struct pair_rows state_pairs; /* of a step: dL/dh' of a cell that projects, rounded */
  const real **left;
  real **into;
};

/* The first visit of the block of which `end` - 1 is the last. */
static int64_t block_first(const struct rf_plan *all, int64_t end) {
  int64_t first = end - 1;
  while (first > 0 && all->start[end] - all->start[first - 1] <= RF_BLOCK_ROWS) {
    /* The steps' own numbering, so that a block does not depend on where a chunk starts. */
    const int64_t boundary = rf_plan_step(all, all->reverse ? first - 1 : first);
    if (boundary % RF_BLOCK_STEPS == 0) break;
    first--;
  }
  return first;
}

static int64_t block_most_rows(const struct rf_layer *l) {
  const int64_t rows = (l->plan.t1 - l->plan.t0) * l->batch, most = l->batch > RF_BLOCK_ROWS ? l->batch : RF_BLOCK_ROWS;
  return rows < most ? rows : most;
}

static struct shared shared_make(const struct rf_layer *l, struct arena *arena) {
  const int64_t rows = block_most_rows(l), state = panels_of(l->state_size) * VEC_LANES, stride = state_stride(l);
  struct shared s = {0};
  s.weight_x = take_reals(arena, (l->input_size + VEC_LANES) * gates_width(l, CELL_GATES));
  if (l->input_dropout.probability > 0) {
    s.dropped_x = take_reals(arena, rows * (l->x_segments * l->x_stride + l->input_size));
  }
  if (l->recurrent_dropout.probability > 0) s.operand[0] = take_reals(arena, rows * stride);
  if (CELL_PHASES > 1) s.operand[1] = take_reals(arena, rows * stride);
  s.packed_x = take_reals(arena, rows * (l->input_size + l->x_segments * VEC_LANES));
  for (int p = 0; p < CELL_PHASES; p++) {
    s.weight_h[p] = take_reals(arena, state * gates_width(l, CELL_PHASE[p].gates));
    s.packed_h[p] = take_reals(arena, rows * state);
  }
  if (CELL_PROJECTS) {
    s.weight_r = take_reals(arena, l->state_size * hidden_panels(l) * VEC_LANES);
    s.shown = take_reals(arena, rows * cell_stride(l));
    s.d_state = take_reals(arena, rows * stride);
    s.packed_r = take_reals(arena, rows * hidden_panels(l) * VEC_LANES);
    s.packed_d = take_reals(arena, rows * (l->state_size + TILE_ROWS_PLAIN));
  }
  if (l->pairs) s.pairs = pair_rows_take(arena, rows, gates_width(l, CELL_SLOTS));
  s.squares = take(arena, l->norms ? 2 * rows * hidden_blocks(l) : 0, sizeof(double));
  if (l->keep_reserve) s.d_gates = take_reals(arena, rows * gates_stride(l));
  if (l->keep_reserve && l->hold) s.held = take_reals(arena, l->batch * stride);
  return s;
}

static struct backward backward_make(const struct rf_layer *l, struct arena *arena, struct arena *shared) {
  const int64_t stride = state_stride(l), batch = l->batch, rows = block_most_rows(l);
  struct arena *together = l->together ? shared : arena;
  struct backward b = {.shared = shared_make(l, shared), .inputs = inputs_make(l, arena)};
  b.h0 = take_reals(arena, batch * stride);
  b.c0 = take_reals(arena, CELL_STATES > 1 ? batch * cell_stride(l) : 0);
  b.zeros = take_reals(arena, cell_stride(l));
  b.dh = take_reals(together, batch * stride);
  b.dc = take_reals(together, CELL_STATES > 1 ? batch * cell_stride(l) : 0);
  b.masks = recurrent_masks(l, arena);
  b.d_operand = take_reals(together, l->recurrent_dropout.probability > 0 || CELL_PHASES > 1 ? batch * stride : 0);
  b.d_shown = take_reals(together, CELL_PROJECTS ? batch * cell_stride(l) : 0);
  b.packed_gates = take_reals(arena, rows * PACKED_ROWS);
  if (l->pairs && CELL_PROJECTS) b.state_pairs = pair_rows_take(arena, batch, l->state_size);
  b.sums = take_reals(arena, gates_width(l, CELL_SLOTS));
  b.room = take_reals(arena, room_numbers(&l->cache)); /* of panels that are packed as they are used */
  b.left = take_pointers(arena, PACKED_ROWS);
  b.into = take_pointers(arena, PACKED_ROWS);
  b.gates = take_pointers(arena, rows);
  b.x = take_pointers(arena, rows);
  b.dx = take_pointers(arena, rows);
  for (int p = 0; p < CELL_PHASES; p++) b.operand[p] = take_pointers(arena, rows);
  b.shown = take_pointers(arena, CELL_PROJECTS ? rows : 0);
  b.d_state = take_pointers(arena, CELL_PROJECTS ? rows : 0);
  b.gates_row = take_pointers(arena, batch);
  b.saved_row = l->keep_reserve ? take_pointers(arena, batch) : b.gates_row;
  b.pairs_row = take_pointers(arena, l->pairs ? batch : 0);
  b.dh_row = take_pointers(arena, batch);
  b.dc_row = take_pointers(arena, batch);
  b.d_operand_row = take_pointers(arena, batch);
  b.operand_row = take_pointers(arena, batch);
  b.shown_row = take_pointers(arena, CELL_PROJECTS ? batch : 0);
  b.d_shown_row = take_pointers(arena, CELL_PROJECTS ? batch : 0);
  b.d_state_row = take_pointers(arena, CELL_PROJECTS ? batch : 0);
  b.h_row = take_pointers(arena, batch);
  b.h_dropped_row = take_pointers(arena, batch);
  b.c_row = take_pointers(arena, batch);
  b.c_next_row = take_pointers(arena, batch);
  b.all_gates = take_pointers(arena, batch);
  b.through_gates = take_pointers(arena, batch);
  b.through_to = take_pointers(arena, batch);
  b.squares_row = take_pointers(arena, batch);
  return b;
}

static size_t layer_backward_bytes(const struct rf_layer *l) {
  struct arena arena = {0}, shared = {0};
  backward_make(l, &arena, &shared);
  return arena.used;
}

static size_t layer_backward_shared_bytes(const struct rf_layer *l) {
  struct arena arena = {0}, shared = {0};
  backward_make(l, &arena, &shared);
  return shared.used;
}

/* Entry in arrays of a block of the first row that this worker has in a visit. */
static int64_t own_entry(const struct rf_layer *l, const struct backward *b, int64_t visit) {
  int64_t entry = l->all.start[visit];
  while (entry < l->all.start[visit + 1] && l->all.row[entry] < l->plan.row_from) entry++;
  return entry - b->first_entry;
}

/* Where the gates of an entry of a block become gradients: in place, unless there is room of a block's. */
static inline real *gradient_row(const struct rf_layer *l, real *d_gates, int64_t entry, real *gates) {
  return d_gates ? d_gates + entry * gates_stride(l) : gates;
}

/* The state that an entry of a plan started from. */
static const real *past_row(const struct rf_view *kept, const real *start, int64_t stride, const real *zeros,
                            int64_t previous, int64_t b) {
  if (previous >= 0) return view_row(kept, previous, b);
  return previous == RF_FROM_START ? start + b * stride : zeros;
}

#endif
