/* forward_pairs.h - gates by products of rounded rows: first all sums, then the cell on them. */
#ifndef RF_FORWARD_PAIRS_H
#define RF_FORWARD_PAIRS_H

#include <stdint.h>
#include RF_VEC_H
#include RF_CELL_H
#include "layer/forward_cells.h"
#include "layer/forward_memory.h"
#include "layer/forward_tiles.h"
#include "layer/layer.h"
#include "layer/matrices.h"
#include "layer/pairs.h"
#include "layer/rows.h"
#include "product/pairs.h"

/* What gates_run does with a family of tiles. */
static void gates_pairs(int phase, const struct rf_layer *l, const struct forward *f, const struct step *s,
                        const struct weights *w) {
  const int input = phase == INPUT_PRODUCT;
  const struct product_pairs p = {
      .of = {.a = rows_rounded(s->operand, f->pairs, f->pairs_row),
             .a_step = 1,
             .b = {.packed = s->panels.packed, .room = f->room},
             .c = s->gates,
             .first = own_first(l) * w->gates,
             .columns = own_end(l) * w->gates * VEC_LANES,
             .cache = &l->cache},
      .gates = w->gates,
      .slot = w->slot,
      .slots = CELL_SLOTS,
      .bias = input ? s->bias : NULL,
  };
  pairs->product(&p);
  if (input) {
    gates_begin_all(l, s);
  } else {
    cells_run(phase, l, s);
  }
}

#endif
