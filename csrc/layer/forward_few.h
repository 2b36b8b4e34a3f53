/* forward_few.h - gates and projections of a few rows, with weights that no product of the call has used before: as they
 * lie. */
#ifndef RF_FORWARD_FEW_H
#define RF_FORWARD_FEW_H

#include <stddef.h>
#include <stdint.h>
#include RF_VEC_H
#include RF_CELL_H
#include "layer/forward_tiles.h"
#include "layer/layer.h"
#include "layer/pack.h"
#include "layer/rows.h"
#include "product/product.h"
#include "product/summation.h"

/* Whether a product of so many rows, the only one with its weights if `once`, takes them as they lie. */
static int rows_few(int once, int64_t rows) { return once && rows > 0 && rows <= FEW_ROWS; }

/* The same of a step's products with W_hh and W_hr, which become panels if others follow. */
static int step_few(const struct rf_layer *l, int64_t visit) {
  return rows_few(state_once(l), live_rows(&l->plan, visit)) || (visit == 0 && state_first(l));
}

/* One gate of a panel of W for the product `p`, which has the rest; `packed`: where panels go, or NULL. */
static void panel_few(const struct weights *w, int64_t panel, int g, int64_t offset, real *packed,
                      struct product_few *p) {
  const int64_t unit = panel * VEC_LANES;
  p->keep_step = w->gates * VEC_LANES;
  p->keep = packed ? packed + panel * w->columns * p->keep_step + g * VEC_LANES : NULL;
  p->w = w->base + (w->gate[g] * w->hidden + unit) * w->columns;
  p->w_rows = w->hidden - unit;
  p->w_stride = w->columns;
  p->offset = offset;
  product_few(p);
}

/* What gates_run does with a family of tiles, panel after panel for all rows. */
static void gates_few(int phase, const struct rf_layer *l, const struct step *s, const struct weights *w,
                      real *packed) {
  const real *bias[FEW_ROWS];
  for (int64_t row = 0; row < s->operand.count; row++) bias[row] = s->bias;
  struct product_few p = {
      .a = s->operand,
      .part = sum_part(rows_width(&s->operand)),
      .from = phase == INPUT_PRODUCT ? bias : (const real *const *)s->gates,
      .to = s->gates,
  };
  struct tile at = {0};
  for (at.panel = own_first(l); at.panel < own_end(l); at.panel++) {
    for (int g = 0; g < w->gates; g++) panel_few(w, at.panel, g, slot_offset(at.panel, w->slot + g), packed, &p);
    if (phase != INPUT_PRODUCT) {
      cell_tile(phase, s, &at, (int)p.a.count, 1);
      continue;
    }
    for (at.row = 0; at.row < p.a.count; at.row++) gates_begin(s, &at, 1, 1);
    at.row = 0;
  }
}

/* to = W_hr times the operand, this worker's numbers of a state. */
static void project_few(const struct rf_layer *l, struct rows operand, const struct weights *w, real *const *to,
                        real *packed) {
  struct product_few p = {.a = operand, .part = sum_part(rows_width(&operand)), .to = to};
  for (int64_t panel = l->state_from / VEC_LANES; panel < panels_of(l->state_to); panel++) {
    panel_few(w, panel, 0, panel * VEC_LANES, packed, &p);
  }
}

#endif
