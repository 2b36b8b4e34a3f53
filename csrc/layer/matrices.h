/* matrices.h - the rows of a layer's matrices that a product takes. */
#ifndef RF_MATRICES_H
#define RF_MATRICES_H

#include <stdint.h>
#include RF_VEC_H
#include RF_CELL_H
#include "layer/layer.h"

/* Whether a layer multiplies weights of a narrow type (product/narrow.h): kernels of float64 never. */
#define NARROW_WEIGHTS(l) (RF_REAL_BITS == 32 && (l)->weights != RF_WEIGHT_WHOLE && !(l)->pairs)

/* Some gates of a matrix as PyTorch has it, (G * hidden, columns), in the order of their slots, the first of which is
 * `slot`. */
struct weights {
  const real *base;
  int64_t hidden, columns;
  const int *gate;
  int slot, gates;
};

static struct weights input_weights(const struct rf_layer *l) {
  return (struct weights){l->weight_ih, l->hidden_size, l->input_size, CELL_GATE_X, 0, CELL_GATES};
}

static struct weights state_weights(const struct rf_layer *l, int phase) {
  const struct phase *f = &CELL_PHASE[phase];
  return (struct weights){l->weight_hh, l->hidden_size, l->state_size, CELL_GATE_H + f->slot, f->slot, f->gates};
}

/* W_hr, of a cell that projects: one gate with a unit for every number of h. */
static struct weights projection_weights(const struct rf_layer *l) {
  static const int only_gate[] = {0};
  return (struct weights){l->weight_hr, l->state_size, l->hidden_size, only_gate, 0, 1};
}

#endif
