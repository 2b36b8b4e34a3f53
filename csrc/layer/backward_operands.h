/* backward_operands.h - what the products of backward multiply: rows of gates, W by rows, and the inputs of a block. */
#ifndef RF_BACKWARD_OPERANDS_H
#define RF_BACKWARD_OPERANDS_H

#include <stdint.h>
#include RF_VEC_H
#include RF_CELL_H
#include "layer/backward_memory.h"
#include "layer/layer.h"
#include "layer/pack.h"
#include "layer/pairs.h"
#include "layer/rows.h"
#include "product/operands.h"
#include "product/product.h"

/* Numbers [from, to) of a row of gates as rows of W, one panel of its columns: what gradients are summed with. */
static void pack_transposed(const void *source, int64_t panel, int64_t from, int64_t to, real *room) {
  const struct weights *w = source;
  const int64_t column = panel * VEC_LANES, left = w->columns - column;
  for (int64_t k = from, end; k < to; k = end) {
    const int64_t slots = k / UNITS, unit = slots / w->gates * UNITS + k % UNITS;
    const real *row = w->base + (w->gate[slots % w->gates] * w->hidden + unit) * w->columns + column;
    end = (slots + 1) * UNITS < to ? (slots + 1) * UNITS : to;
    for (int64_t i = 0; i < end - k; i++, room += VEC_LANES, row += w->columns) {
      const int there = unit + i < w->hidden;
      v_store(room, !there ? v_set1(0) : left >= VEC_LANES ? v_load(row) : v_load_n(row, left));
    }
  }
}

/* A product of gradients with rows of W: where it is the only one with these, they are packed on the way, or for a few rows
 * taken as they lie. */
static void gradient_product(const struct rf_layer *l, const struct product *p, const struct weights *w) {
  if (p->b.pack && p->a.count > 0 && p->a.count <= FEW_ROWS) {
    product_across(&(struct product_across){p, w->base, w->hidden, w->columns, w->gate, w->gates});
  } else {
    layer_product(l, p);
  }
}

/* Whether a backward call has a single product with W_ih, and packs it then. */
static int dx_once(const struct rf_layer *l) {
  return packs_late(l) && block_first(&l->all, l->plan.t1 - l->plan.t0) == 0;
}

/* Rows of gates, or of their pairs, as the left operand of a product: the slots [slot, slot + gates). */
static struct rows gates_operand(const struct rf_layer *l, const real **row, int64_t count, int slot, int gates) {
  const int64_t each = l->pairs ? UNITS / 2 : UNITS;
  for (int64_t i = 0; i < count; i++) row[i] += slot * each;
  if (gates == CELL_SLOTS) return (struct rows){row, count, 1, hidden_blocks(l) * gates * each, 0};
  return (struct rows){row, count, hidden_blocks(l), gates * each, CELL_SLOTS * each};
}

/* Pointers to all live rows of visits [first, end), every worker's, in the plan's order. Returns how many. */
static int64_t block_rows(const struct rf_layer *l, const struct backward *b, int64_t first, int64_t end) {
  const struct rf_plan *all = &l->all;
  const int64_t stride = state_stride(l);
  real *d_gates = b->shared.d_gates;
  int64_t n = 0;
  for (int64_t visit = first; visit < end; visit++) {
    const int64_t t = rf_plan_step(all, visit);
    for (int64_t i = all->start[visit]; i < all->start[visit + 1]; i++, n++) {
      const int64_t row = all->row[i];
      const struct shared *s = &b->shared;
      b->gates[n] = gradient_row(l, d_gates, n, view_row(&l->gates, t, row));
      if (CELL_PROJECTS) b->shown[n] = s->shown + n * cell_stride(l);
      if (CELL_PROJECTS) b->d_state[n] = s->d_state + n * stride;
      b->x[n] = s->dropped_x ? s->dropped_x + n * b->inputs.stride : view_row(&l->x, t, row);
      for (int p = 0; p < CELL_PHASES; p++) {
        b->operand[p][n] = s->operand[p] ? s->operand[p] + n * stride
                                         : past_row(&l->states, b->h0, stride, b->zeros, all->previous[i], row);
      }
    }
  }
  return n;
}

/* This worker's share of all panels: what gradients, rows of `width` numbers, are summed with. */
static void pack_all_transposed(const struct rf_layer *l, struct weights w, int64_t width, real *to) {
  if (l->pairs) {
    pack_pairs_transposed(l, w, width, to);
    return;
  }
  const int64_t panels = panels_of(w.columns);
  const int64_t first = rf_share(panels, l->worker, l->workers), end = rf_share(panels, l->worker + 1, l->workers);
  /* A block of units at a time over all panels, so that W is read as it lies. */
  for (int64_t k = 0, stop; k < width; k = stop) {
    stop = k + w.gates * UNITS < width ? k + w.gates * UNITS : width;
    for (int64_t panel = first; panel < end; panel++) {
      pack_transposed(&w, panel, k, stop, to + (panel * width + k) * VEC_LANES);
    }
  }
}

#endif
