/* forward_narrow.h - gates and projections with weights of narrow types: first all sums, then the cell on them. */
#ifndef RF_FORWARD_NARROW_H
#define RF_FORWARD_NARROW_H

#include <stdint.h>
#include RF_VEC_H
#include RF_CELL_H
#include "layer/forward_tiles.h"
#include "layer/layer.h"
#include "layer/matrices.h"
#include "layer/pack.h"
#include "layer/rows.h"
#include "product/narrow.h"
#include "product/summation.h"

/* Whether a layer has them: kernels of float64 never. */
#define NARROW_WEIGHTS(l) (RF_REAL_BITS == 32 && (l)->weights != RF_WEIGHT_WHOLE)

/* A product with all that a layer says of it. */
static struct product_narrow narrow_product(const struct rf_layer *l, struct rows a, const struct weights *w,
                                            const real *packed, const real *scale, real *const *to) {
  return (struct product_narrow){
      .a = a,
      .part = sum_part(rows_width(&a)),
      .type = l->weights,
      .rounds = narrow_rounds(l->weights, l->batch),
      .packed = packed,
      .scale = scale,
      .first = own_first(l) * w->gates,
      .end = own_end(l) * w->gates,
      .vectors = panels_of(w->hidden) * w->gates,
      .gates = w->gates,
      .slot = w->slot,
      .slots = CELL_SLOTS,
      .to = to,
  };
}

/* Rows and panels that the cell takes at a time: what it leaves between its stages stays in L1. */
enum { CELL_ROWS = 4, CELL_PANELS = 4 };

/* The cell, or after an input product what its sums begin with. */
static void narrow_cells(int phase, const struct rf_layer *l, const struct step *s) {
  const int64_t rows = s->operand.count, end = own_end(l);
  struct tile at = {0};
  for (at.panel = own_first(l); at.panel < end; at.panel += CELL_PANELS) {
    const int panels = end - at.panel < CELL_PANELS ? (int)(end - at.panel) : CELL_PANELS;
    for (at.row = 0; at.row < rows; at.row += CELL_ROWS) {
      cell_tile(phase, s, &at, rows - at.row < CELL_ROWS ? (int)(rows - at.row) : CELL_ROWS, panels);
    }
  }
}

static void narrow_begin(const struct rf_layer *l, const struct step *s) {
  struct tile at = {0};
  for (at.row = 0; CELL_SLOTS > CELL_GATES && at.row < s->operand.count; at.row++) {
    for (at.panel = own_first(l); at.panel < own_end(l); at.panel++) gates_begin(s, &at, 1, 1);
  }
}

/* What gates_run does with a family of tiles. `backwards`: product/narrow.h. */
static void gates_narrow(int phase, const struct rf_layer *l, const struct step *s, const struct packed *packed,
                         int backwards) {
  const int input = phase == INPUT_PRODUCT;
  const struct weights w = input ? input_weights(l) : state_weights(l, phase);
  const real *lines = input ? packed->x : packed->h[phase], *scale = input ? packed->x_scale : packed->h_scale[phase];
  struct product_narrow p = narrow_product(l, s->operand, &w, lines, scale, s->gates);
  p.bias = input ? packed->bias : NULL;
  p.backwards = backwards;
  p.room = s->panels.room;
  product_narrow(&p);
  if (input) {
    narrow_begin(l, s);
  } else {
    narrow_cells(phase, l, s);
  }
}

/* to = W_hr times the operand, this worker's numbers of a state. */
static void project_narrow(const struct rf_layer *l, struct rows operand, const struct packed *packed, real *const *to,
                           real *room) {
  const struct weights w = projection_weights(l);
  struct product_narrow p = narrow_product(l, operand, &w, packed->r, packed->r_scale, to);
  p.first = l->state_from / VEC_LANES;
  p.end = panels_of(l->state_to);
  p.slots = p.overwrite = 1;
  p.room = room;
  product_narrow(&p);
}

#endif
