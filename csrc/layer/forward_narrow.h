/* forward_narrow.h - gates and projections with weights of narrow types: first all sums, then the cell on them. */
#ifndef RF_FORWARD_NARROW_H
#define RF_FORWARD_NARROW_H

#include <stdint.h>
#include RF_VEC_H
#include RF_CELL_H
#include "layer/forward_cells.h"
#include "layer/forward_tiles.h"
#include "layer/layer.h"
#include "layer/matrices.h"
#include "layer/pack.h"
#include "layer/rows.h"
#include "product/narrow.h"
#include "product/summation.h"

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
    gates_begin_all(l, s);
  } else {
    cells_run(phase, l, s);
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
