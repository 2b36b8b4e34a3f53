/* backward_cell.h - the cell's gradient on the rows of one step: saved gates become gradients of their pre-activations, and
 * what reaches the states before directly is left behind. */
#ifndef RF_BACKWARD_CELL_H
#define RF_BACKWARD_CELL_H

#include <stdint.h>
#include RF_VEC_H
#include RF_CELL_H
#include "layer/backward_memory.h"
#include "layer/layer.h"
#include "layer/pairs.h"
#include "layer/rows.h"
#include "system/compiler.h"

static double sum_of_squares(vec a, int64_t count) {
  real lanes[VEC_LANES];
  double sum = 0;
  v_store(lanes, a);
  for (int64_t i = 0; i < VEC_LANES && i < count; i++) sum += (double)lanes[i] * (double)lanes[i];
  return sum;
}

/* The slots that a phase of backward writes. In the first of two, other workers still read the last one's. */
static inline int first_slot(int phase) { return phase + 1 < CELL_PHASES ? CELL_PHASE[phase].slot : 0; }
static inline int end_slot(int phase) {
  return phase + 1 < CELL_PHASES ? CELL_PHASE[phase].slot + CELL_PHASE[phase].gates : CELL_SLOTS;
}

/* The cell's gradient on one vector of units of one row. */
INLINE void cell_backward_apply(const int phase, const struct rf_layer *l, const struct backward *b, int64_t i,
                                int64_t panel) {
  const int64_t unit = panel * VEC_LANES;
  real *gates = b->gates_row[i];
  const real *saved = phase + 1 == CELL_PHASES ? b->saved_row[i] : gates;
  double *squares = l->norms && phase + 1 == CELL_PHASES ? b->squares_row[i] + unit / UNITS * 2 : NULL;
  vec slots[CELL_SLOTS];
  UNROLL for (int s = 0; s < CELL_SLOTS; s++) slots[s] = v_load(saved + slot_offset(panel, s));
  struct past past = {.h = CELL_PROJECTS ? v_set1(0) : v_load(b->h_row[i] + unit),
                      .h_dropped = CELL_PROJECTS ? v_set1(0) : v_load(b->h_dropped_row[i] + unit)};
  struct gradient d = {.h = v_load((CELL_PROJECTS ? b->d_shown_row : b->dh_row)[i] + unit), .h_dropped = v_set1(0)};
  if (CELL_STATES > 1) {
    past.c = v_load(b->c_row[i] + unit);
    past.c_next = v_load(b->c_next_row[i] + unit);
    d.c = v_load(b->dc_row[i] + unit);
  }
  if (phase + 1 < CELL_PHASES) d.operand = v_load(b->d_operand_row[i] + unit);
  if (squares && !CELL_PROJECTS) squares[0] += sum_of_squares(d.h, l->hidden_size - unit);
  cell_backward(phase, slots, &past, &d);
  if (squares && CELL_STATES > 1) squares[1] += sum_of_squares(d.c_total, l->hidden_size - unit);
  UNROLL for (int s = first_slot(phase); s < end_slot(phase); s++) v_store(gates + slot_offset(panel, s), slots[s]);
  if (phase + 1 < CELL_PHASES) v_store(b->operand_row[i] + unit, d.operand);
  if (CELL_PROJECTS) {
    v_store(b->shown_row[i] + unit, d.operand);
  } else {
    if (phase == 0 && b->masks) {
      v_store(b->d_operand_row[i] + unit, d.h_dropped);
    } else {
      d.h = v_add(d.h, d.h_dropped);
    }
    v_store(b->dh_row[i] + unit, d.h);
  }
  if (CELL_STATES > 1) v_store(b->dc_row[i] + unit, d.c);
}

/* The same slots of this worker's units, rounded. */
INLINE void round_gates(const int phase, const struct rf_layer *l, const real *gates, real *to) {
  const int first = first_slot(phase), count = end_slot(phase) - first;
  const int64_t from = l->unit_from / UNITS, end = rf_blocks(l->unit_to, sizeof(real));
  const int64_t together = count == CELL_SLOTS ? end - from : 1;
  for (int64_t block = from; block < end; block += together) {
    const int64_t at = (block * CELL_SLOTS + first) * UNITS;
    pairs->rounded(gates + at, together * count * UNITS, to + at / 2);
  }
}

/* The cell's gradient on the rows of one visit. Units beyond H in a row of gates end as zeros: products sum over them,
 * and what is there by then may not be a number. */
INLINE void cell_backward_rows(const int phase, const struct rf_layer *l, const struct backward *b, int64_t rows) {
  const int64_t beyond = l->unit_to == l->hidden_size ? hidden_blocks(l) * UNITS - l->hidden_size : 0;
  const int64_t last = (hidden_blocks(l) - 1) * CELL_SLOTS * UNITS;
  for (int64_t i = 0; i < rows; i++) {
    if (l->norms && phase + 1 == CELL_PHASES) {
      for (int64_t unit = l->unit_from; unit < l->unit_to; unit += UNITS) {
        if (!CELL_PROJECTS) b->squares_row[i][unit / UNITS * 2] = 0;
        b->squares_row[i][unit / UNITS * 2 + 1] = 0;
      }
    }
    for (int64_t panel = own_first(l); panel < own_end(l); panel++) cell_backward_apply(phase, l, b, i, panel);
    for (int s = first_slot(phase); s < end_slot(phase); s++) {
      zero_reals(b->gates_row[i] + last + (s + 1) * UNITS - beyond, beyond);
    }
    if (l->pairs) round_gates(phase, l, b->gates_row[i], b->pairs_row[i]);
  }
}

#endif
