/* pack.h - the parameters of a layer, rearranged into panels: for each vector of hidden units [k][gate][lane]. */
#ifndef RF_PACK_H
#define RF_PACK_H

#include <stdint.h>
#include RF_VEC_H
#include RF_CELL_H
#include "layer/layer.h"
#include "layer/matrices.h"
#include "layer/pack_narrow.h"
#include "layer/pairs.h"
#include "layer/rows.h"
#include "product/product.h"
#include "product/transposed.h"
#include "system/compiler.h"
#include "system/cpu.h"

#define CHUNK_ROWS_LEAST 32 /* rows for which weights are worth fetching from beyond L2 */

/* Rows that the input product takes at once: as many as L2 has room for their gates, and a step at least. */
static int64_t chunk_rows(const struct rf_layer *l) {
  int64_t most = l->cache.l2_share / (gates_stride(l) * (int64_t)sizeof(real));
  if (most < CHUNK_ROWS_LEAST) most = CHUNK_ROWS_LEAST;
  return most > l->batch ? most : l->batch;
}

enum { ALONE_STEPS = 8 };  /* for which weights are worth packing before the first */
enum { ALONE_INPUTS = 4 }; /* for every unit; with more, products of several steps at once are faster */

/* Kernels that can: those of one phase, in which no W_hr comes in between, of the numbers and vectors that small nets run on
 * where their speed matters, as code is what it costs. */
#define ALONE_THERE (CELL_PHASES == 1 && !CELL_PROJECTS && RF_REAL_BITS == 32 && VEC_LANES > 1)

/* Whether one row goes through a small layer alone, each of its steps as a whole (forward_alone.h): one whose weights L1
 * holds, since all are read in each step, and whose inputs are few. Not where dropout comes in between. */
static int row_alone(const struct rf_layer *l) {
  const int64_t numbers = CELL_GATES * l->hidden_size * (l->input_size + l->hidden_size);
  const int plain = !l->weights && l->input_dropout.probability == 0 && l->recurrent_dropout.probability == 0;
  if (!ALONE_THERE || !plain || l->batch > 1 || l->workers > 1 || l->x_segments > 1) return 0;
  return l->input_size <= ALONE_INPUTS * l->hidden_size && numbers * (int64_t)sizeof(real) <= 2 * l->cache.l1_share &&
         (!l->packs || l->plan.t1 - l->plan.t0 >= ALONE_STEPS);
}

/* Whether panels may be packed as they are used: with rows shared out, each worker would pack them all. */
static int packs_late(const struct rf_layer *l) {
  return l->packs && !l->weights && (l->workers == 1 || l->by_units) && !row_alone(l);
}

/* Whether a call has a single product with W_hh and one with W_hr, forward a single one with W_ih, and packs the matrix then. */
static int state_once(const struct rf_layer *l) { return packs_late(l) && l->plan.t1 - l->plan.t0 == 1; }
static int input_once(const struct rf_layer *l) {
  return packs_late(l) && l->plan.start[l->plan.t1 - l->plan.t0] <= chunk_rows(l);
}

/* Whether the first of several steps has so few rows that its products with W_hh and W_hr pack these on their way. */
static int state_first(const struct rf_layer *l) {
  if (!packs_late(l) || l->plan.t1 - l->plan.t0 < 2) return 0;
  const int64_t rows = live_rows(&l->plan, 0);
  return rows > 0 && rows <= FEW_ROWS;
}

/* Where the parts of a packed layer stand: W_ih, W_hh per phase, W_hr of a cell that projects, each with the scales of its
 * rows behind it where weights have such, then the bias in the layout of a row of gates. */
struct packed {
  const real *x, *x_scale;
  const real *h[CELL_PHASES], *h_scale[CELL_PHASES];
  const real *r, *r_scale;
  const real *bias;
};

/* Moves `base` on behind a matrix of so many columns, each `segments` times `size` numbers. */
static const real *matrix_part(int32_t type, const real **base, int64_t columns, int64_t segments, int64_t size,
                               const real **scale) {
  const real *found = *base;
  *base += columns * segments * rf_weight_lines(size, type);
  *scale = *base;
  if (type == RF_WEIGHT_I8) *base += columns;
  return found;
}

static struct packed packed_parts(const struct rf_layer *l, const real *base) {
  const int64_t units = hidden_panels(l) * VEC_LANES, outputs = panels_of(l->state_size) * VEC_LANES;
  const int64_t segments = l->x_segments, type = l->weights;
  struct packed p = {0};
  p.x = matrix_part(type, &base, units * CELL_GATES, segments, l->input_size / segments, &p.x_scale);
  for (int phase = 0; phase < CELL_PHASES; phase++) {
    p.h[phase] = matrix_part(type, &base, units * CELL_PHASE[phase].gates, 1, l->state_size, &p.h_scale[phase]);
  }
  if (CELL_PROJECTS) p.r = matrix_part(type, &base, outputs, 1, l->hidden_size, &p.r_scale);
  p.bias = base;
  return p;
}

/* Columns of W that are packed for all gates before the next ones. Of one gate as many as may be at a time, because a
 * processor fetches few rows ahead; what is written meanwhile, its lines in turn with those of other gates, stays in L2. */
#define PACK_COLUMNS 512

/* Numbers [from, to) of a panel of units: the gates of W in slots, each a product with that many numbers of a row. */
static void pack_gates(const void *source, int64_t panel, int64_t from, int64_t to, real *room) {
  const struct weights *w = source;
  const int64_t unit = panel * VEC_LANES;
  for (int64_t first = from; first < to; first += PACK_COLUMNS) {
    const int64_t stop = first + PACK_COLUMNS < to ? first + PACK_COLUMNS : to;
    for (int g = 0; g < w->gates; g++) {
      const real *rows = w->base + (w->gate[g] * w->hidden + unit) * w->columns;
      for (int64_t k = first; k < stop; k += VEC_LANES) {
        vec column[VEC_LANES];
        load_transposed(rows + k, w->columns, w->hidden - unit, w->columns - k, column);
        const int64_t step = w->gates * VEC_LANES;
        store_columns(column, stop - k, room + (k - from) * step + g * VEC_LANES, step);
      }
    }
  }
}

/* This worker's share of all panels. */
static void pack_all(const struct rf_layer *l, struct weights w, real *to) {
  const int64_t panels = panels_of(w.hidden), end = rf_share(panels, l->worker + 1, l->workers);
  for (int64_t panel = rf_share(panels, l->worker, l->workers); panel < end; panel++) {
    pack_gates(&w, panel, 0, w.columns, to + panel * w.columns * w.gates * VEC_LANES);
  }
}

/* Both biases of a vector of units in a slot, zeros beyond the last unit; either may be NULL. */
static vec biases(const real *bias_x, const real *bias_h, int64_t hidden, int slot, int64_t unit) {
  vec sum = v_set1(0);
  if (bias_x && CELL_GATE_X[slot] >= 0) {
    sum = v_add(sum, v_load_n(bias_x + CELL_GATE_X[slot] * hidden + unit, hidden - unit));
  }
  if (bias_h && CELL_GATE_H[slot] >= 0) {
    sum = v_add(sum, v_load_n(bias_h + CELL_GATE_H[slot] * hidden + unit, hidden - unit));
  }
  return sum;
}

static void pack_bias(const struct rf_layer *l, real *to) {
  zero_reals(to, hidden_blocks(l) * CELL_SLOTS * UNITS);
  for (int64_t unit = 0; unit < l->hidden_size; unit += VEC_LANES) {
    for (int slot = 0; slot < CELL_SLOTS; slot++) {
      v_store(to + slot_offset(unit / VEC_LANES, slot), biases(l->bias_ih, l->bias_hh, l->hidden_size, slot, unit));
    }
  }
}

static void layer_pack_narrow(const struct rf_layer *l, const struct packed *p) {
  rf_cpu_tiles(); /* which asks the system: not later, since nets that are made call it no more */
  pack_narrow(l, input_weights(l), l->x_segments, (real *)p->x, (real *)p->x_scale);
  for (int phase = 0; phase < CELL_PHASES; phase++) {
    pack_narrow(l, state_weights(l, phase), 1, (real *)p->h[phase], (real *)p->h_scale[phase]);
  }
  if (CELL_PROJECTS) pack_narrow(l, projection_weights(l), 1, (real *)p->r, (real *)p->r_scale);
}

static void layer_pack_pairs(const struct rf_layer *l, const struct packed *p) {
  pack_pairs(l, input_weights(l), l->x_segments, (real *)p->x);
  for (int phase = 0; phase < CELL_PHASES; phase++) pack_pairs(l, state_weights(l, phase), 1, (real *)p->h[phase]);
  if (CELL_PROJECTS) pack_pairs(l, projection_weights(l), 1, (real *)p->r);
}

static void layer_pack(const struct rf_layer *l) {
  const struct packed p = packed_parts(l, l->packed);
  if (l->worker == 0) pack_bias(l, (real *)p.bias);
  if (l->pairs) {
    layer_pack_pairs(l, &p);
    return;
  }
  if (l->weights) {
    layer_pack_narrow(l, &p);
    return;
  }
  if (!input_once(l)) pack_all(l, input_weights(l), (real *)p.x);
  const int state_later = state_once(l) || state_first(l);
  for (int phase = 0; phase < CELL_PHASES && !state_later; phase++) {
    pack_all(l, state_weights(l, phase), (real *)p.h[phase]);
  }
  if (CELL_PROJECTS && !state_later) pack_all(l, projection_weights(l), (real *)p.r);
}

#endif
