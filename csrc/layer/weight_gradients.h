/* weight_gradients.h - from a block of steps whose gates have become gradients: those of the weights. */
#ifndef RF_WEIGHT_GRADIENTS_H
#define RF_WEIGHT_GRADIENTS_H

#include <stdint.h>
#include <string.h>
#include RF_VEC_H
#include RF_CELL_H
#include "layer/backward_memory.h"
#include "layer/layer.h"
#include "layer/pack.h"
#include "layer/pairs.h"
#include "layer/rows.h"
#include "product/product.h"
#include "product/summation.h"

/* What stands of so many rows behind one another in a sum: numbers, or pairs of them. */
static int64_t lines_of(const struct rf_layer *l, int64_t rows) { return l->pairs ? pairs_of(rows) : rows; }

/* Packs columns from each of `count` rows into panels [first, end) of one vector, the last filled up with zeros. */
static void pack_panels(const struct rf_layer *l, const real *const *row, int64_t count, int64_t columns, int64_t first,
                        int64_t end, real *to) {
  const int64_t size = lines_of(l, count) * VEC_LANES;
  to += first * size;
  for (int64_t panel = first; panel < end && l->pairs; panel++, to += size) {
    pairs->lines_of(row, panel * VEC_LANES, count, columns - panel * VEC_LANES, to);
  }
  if (l->pairs) return;
  for (int64_t column = first * VEC_LANES; column < end * VEC_LANES; column += VEC_LANES) {
    const int64_t left = columns - column;
    for (int64_t k = 0; k < count; k++, to += VEC_LANES) {
      v_store(to, left >= VEC_LANES ? v_load(row[k] + column) : v_load_n(row[k] + column, left));
    }
  }
}

/* Packs numbers [first, end) of every row of gradients, the left operand of a weight gradient, as tiles: [tile][row][number of
 * it], or of pairs as rows. */
static void pack_gradients(const struct rf_layer *l, const real *const *gradients, int64_t rows, int64_t first,
                           int64_t end, real *to) {
  if (l->pairs) {
    pairs->rows_of(gradients, rows, first, end, to);
    return;
  }
  for (int64_t m = first; m < end; m += TILE_ROWS_PLAIN) {
    const int64_t left = end - m;
    for (int64_t k = 0; k < rows; k++, to += TILE_ROWS_PLAIN) {
      if (left >= TILE_ROWS_PLAIN) {
        memcpy(to, gradients[k] + m, TILE_ROWS_PLAIN * sizeof *to); /* of a size that a compiler knows */
      } else {
        copy_reals(to, gradients[k] + m, left);
      }
    }
  }
}

/* Where the number that is the m-th of those packed begins. */
static const real *packed_gradient(const struct rf_layer *l, const real *packed, int64_t rows, int64_t m) {
  if (l->pairs) return packed + m * pairs_of(rows);
  return packed + m / TILE_ROWS_PLAIN * lines_of(l, rows) * TILE_ROWS_PLAIN + m % TILE_ROWS_PLAIN;
}

/* Where the rows of dW_hr begin that a worker has: whole tiles. */
static int64_t projection_share(const struct rf_layer *l, int32_t worker) {
  const int64_t tiles = (l->state_size + TILE_ROWS_PLAIN - 1) / TILE_ROWS_PLAIN;
  const int64_t first = rf_share(tiles, worker, l->workers) * TILE_ROWS_PLAIN;
  return first < l->state_size ? first : l->state_size;
}

/* This worker's share of the block's inputs and operands, as panels, and of what others may write again before the last
 * one has its gradients: dL/dh' of a cell that projects, while gates have memory for every step. */
static void pack_block(const struct rf_layer *l, const struct backward *b, int64_t rows) {
  const int64_t size = l->input_size / l->x_segments, panels = (size + VEC_LANES - 1) / VEC_LANES;
  for (int64_t s = 0; s < l->x_segments && l->d_weight_ih; s++) {
    for (int64_t k = 0; k < rows && s > 0; k++) b->x[k] += l->x_stride;
    pack_panels(l, b->x, rows, size, rf_share(panels, l->worker, l->workers),
                rf_share(panels, l->worker + 1, l->workers),
                b->shared.packed_x + s * panels * VEC_LANES * lines_of(l, rows));
  }
  for (int p = 0; p < CELL_PHASES && l->d_weight_hh; p++) {
    pack_panels(l, b->operand[p], rows, l->state_size, rf_share(panels_of(l->state_size), l->worker, l->workers),
                rf_share(panels_of(l->state_size), l->worker + 1, l->workers), b->shared.packed_h[p]);
  }
  if (CELL_PROJECTS && l->d_weight_hr) {
    pack_panels(l, b->shown, rows, l->hidden_size, rf_share(hidden_panels(l), l->worker, l->workers),
                rf_share(hidden_panels(l), l->worker + 1, l->workers), b->shared.packed_r);
    const int64_t first = projection_share(l, l->worker);
    pack_gradients(l, b->d_state, rows, first, projection_share(l, l->worker + 1),
                   b->shared.packed_d + first * lines_of(l, rows));
  }
}

/* The first `count` rows of `left` times panels, added to those of `into`. */
static void sum_rows(const struct rf_layer *l, const struct backward *b, int64_t rows, int64_t count,
                     const real *panels, int64_t columns) {
  const struct product p = {
      .a = {b->left, count, 1, lines_of(l, rows), 0},
      .a_step = l->pairs ? 1 : TILE_ROWS_PLAIN,
      .part = weight_part(rows),
      .b = {.packed = panels, .room = b->room},
      .c = b->into,
      .columns = columns,
      .cache = &l->cache,
      .overwrite = b->overwrite,
  };
  layer_product(l, &p);
}

/* dW += gradients^T times operand, for those packed numbers [first, end) that are slots of `w`; `to` has its gradient. */
static void weight_product(const struct rf_layer *l, const struct backward *b, int64_t rows, int64_t first, int64_t end,
                           struct weights w, const real *panels, int64_t columns, real *to) {
  int64_t n = 0;
  for (int64_t m = first; m < end; m++) {
    const int64_t s = m / UNITS % CELL_SLOTS, unit = m / UNITS / CELL_SLOTS * UNITS + m % UNITS;
    if (s < w.slot || s >= w.slot + w.gates || unit >= w.hidden) continue;
    b->left[n] = packed_gradient(l, b->packed_gates, rows, m - first);
    b->into[n++] = to + (w.gate[s - w.slot] * w.hidden + unit) * w.columns;
  }
  sum_rows(l, b, rows, n, panels, columns);
}

/* This worker's share of the rows of dW_hr. */
static void projection_gradient(const struct rf_layer *l, const struct backward *b, int64_t rows) {
  const int64_t last = projection_share(l, l->worker + 1);
  for (int64_t first = projection_share(l, l->worker), end; first < last; first = end) {
    end = first + PACKED_ROWS < last ? first + PACKED_ROWS : last;
    for (int64_t m = first; m < end; m++) {
      b->left[m - first] = packed_gradient(l, b->shared.packed_d, rows, m);
      b->into[m - first] = (real *)l->d_weight_hr + m * l->hidden_size;
    }
    sum_rows(l, b, rows, end - first, b->shared.packed_r, l->hidden_size);
  }
}

/* This worker's share of the weights' rows. */
static void weight_gradients(const struct rf_layer *l, const struct backward *b, int64_t rows) {
  const int64_t all = gates_width(l, CELL_SLOTS), size = l->input_size / l->x_segments;
  const int64_t x_panels = (size + VEC_LANES - 1) / VEC_LANES * VEC_LANES * lines_of(l, rows);
  const int64_t last = l->d_weight_ih || l->d_weight_hh ? rf_share(all, l->worker + 1, l->workers) : 0;
  for (int64_t first = rf_share(all, l->worker, l->workers), end; first < last; first = end) {
    end = first + PACKED_ROWS < last ? first + PACKED_ROWS : last;
    pack_gradients(l, b->gates, rows, first, end, b->packed_gates);
    for (int64_t s = 0; s < l->x_segments && l->d_weight_ih; s++) {
      weight_product(l, b, rows, first, end, input_weights(l), b->shared.packed_x + s * x_panels, size,
                     (real *)l->d_weight_ih + s * size);
    }
    for (int p = 0; p < CELL_PHASES && l->d_weight_hh; p++) {
      weight_product(l, b, rows, first, end, state_weights(l, p), b->shared.packed_h[p], l->state_size, l->d_weight_hh);
    }
  }
  if (CELL_PROJECTS && l->d_weight_hr) projection_gradient(l, b, rows);
}

/* Zeros instead of gradients, where no step is live. */
static void no_gradients(const struct rf_layer *l) {
  const int64_t rows = CELL_GATES * l->hidden_size;
  if (l->d_weight_ih) zero_reals(l->d_weight_ih, rows * l->input_size);
  if (l->d_weight_hh) zero_reals(l->d_weight_hh, rows * l->state_size);
  if (l->d_weight_hr) zero_reals(l->d_weight_hr, l->state_size * l->hidden_size);
  if (l->d_bias_ih) zero_reals(l->d_bias_ih, rows);
  if (l->d_bias_hh) zero_reals(l->d_bias_hh, rows);
}

#endif
