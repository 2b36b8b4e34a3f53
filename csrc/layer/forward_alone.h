/* forward_alone.h - steps of a small layer on one row alone: both products and the cell in registers, so that little is
 * left but them. */
#ifndef RF_FORWARD_ALONE_H
#define RF_FORWARD_ALONE_H

#include <stddef.h>
#include <stdint.h>
#include RF_VEC_H
#include RF_CELL_H
#include "layer/forward_memory.h"
#include "layer/forward_rows.h"
#include "layer/layer.h"
#include "layer/pack.h"
#include "layer/rows.h"
#include "layer/strip.h"
#include "product/summation.h"
#include "system/compiler.h"

/* V panels of the step whose rows are in `f`. */
INLINE void alone_strip(const int V, const struct rf_layer *l, const struct forward *f, const real *x, real *gates,
                        int64_t panel) {
  const struct strip_row row = {
      .h = f->h_row[0], .c = f->c_row[0], .h_next = f->h_next_row[0], .c_next = f->c_next_row[0]};
  const int G = CELL_PHASE[0].gates;
  const ptrdiff_t of_x = CELL_GATES * VEC_LANES, of_h = G * VEC_LANES;
  const ptrdiff_t size_x = l->input_size * of_x, size_h = l->state_size * of_h;
  vec sums[STRIP_MOST * CELL_SLOTS];
  UNROLL for (int n = 0; n < V * CELL_SLOTS; n++) {
    sums[n] = v_load(f->packed.bias + slot_offset(panel + n / CELL_SLOTS, n % CELL_SLOTS));
  }
  strip_multiply(V, CELL_GATES, 0, x, l->input_size, sum_part(l->input_size), f->packed.x + panel * size_x, of_x,
                 size_x, sums);
  strip_multiply(V, G, CELL_PHASE[0].slot, row.h, l->state_size, sum_part(l->state_size),
                 f->packed.h[0] + panel * size_h, of_h, size_h, sums);
  strip_cell(0, V, &row, panel * VEC_LANES, sums);
  if (!gates) return;
  UNROLL for (int n = 0; n < V * CELL_SLOTS; n++) {
    v_store(gates + slot_offset(panel + n / CELL_SLOTS, n % CELL_SLOTS), sums[n]);
  }
}

#define ALONE_FUNCTION(V)                                                                                              \
  NOINLINE ALIGNED void alone_##V(const struct rf_layer *l, const struct forward *f, const real *x, real *gates,       \
                                  int64_t panel) {                                                                     \
    if (V <= STRIP_MOST) {                                                                                             \
      alone_strip(V, l, f, x, gates, panel);                                                                           \
    } else {                                                                                                           \
      __builtin_trap();                                                                                                \
    }                                                                                                                  \
  }
ALONE_FUNCTION(1)
ALONE_FUNCTION(2)
ALONE_FUNCTION(4)

/* One visit, whose row, if it is live, stands in `f`: strips as wide as fit. */
static void alone_step(const struct rf_layer *l, const struct forward *f, int64_t visit) {
  if (live_rows(&l->plan, visit) == 0) return;
  const int64_t t = rf_plan_step(&l->plan, visit), panels = hidden_panels(l);
  const real *x = view_row(&l->x, t, 0);
  real *gates = l->gates.base ? view_row(&l->gates, t, 0) : NULL; /* kept for backward */
  int64_t panel = 0;
  for (; STRIP_MOST >= 4 && panel + 4 <= panels; panel += 4) alone_4(l, f, x, gates, panel);
  for (; STRIP_MOST >= 2 && panel + 2 <= panels; panel += 2) alone_2(l, f, x, gates, panel);
  for (; panel < panels; panel++) alone_1(l, f, x, gates, panel);
}

#endif
