/* layer_gradients.h - from a block of steps whose gates have become gradients: those of weights, biases and inputs. */
#ifndef RF_LAYER_GRADIENTS_H
#define RF_LAYER_GRADIENTS_H

/* Part of the order of summation: rows that one chain of a weight's gradient sums at most, and for a bias chains of 8
 * rows, chains of 8 such sums, and a chain of those. */
#define WEIGHT_PART 32
#define BIAS_CHAIN 8

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

/* Whether a backward call has a single product with W_ih, and packs it then. */
static int dx_once(const struct rf_layer *l) {
  return packs_late(l) && block_first(&l->all, l->plan.t1 - l->plan.t0) == 0;
}

/* Rows of gates as the left operand of a product: the slots [slot, slot + gates). */
static struct rows gates_operand(const struct rf_layer *l, const real **row, int64_t count, int slot, int gates) {
  for (int64_t i = 0; i < count; i++) row[i] += slot * UNITS;
  if (gates == CELL_SLOTS) return (struct rows){row, count, 1, gates_width(l, gates), 0};
  return (struct rows){row, count, hidden_blocks(l), gates * UNITS, CELL_SLOTS * UNITS};
}

/* Pointers to all live rows of visits [first, end), every worker's, in the plan's order. Returns how many. */
static int64_t block_rows(const struct rf_layer *l, const struct backward *b, int64_t first, int64_t end) {
  const struct rf_plan *all = &l->all;
  const int64_t stride = state_stride(l);
  int64_t n = 0;
  for (int64_t visit = first; visit < end; visit++) {
    const int64_t t = rf_plan_step(all, visit);
    for (int64_t i = all->start[visit]; i < all->start[visit + 1]; i++, n++) {
      const int64_t row = all->row[i];
      const struct shared *s = &b->shared;
      b->gates[n] = view_row(&l->gates, t, row);
      b->x[n] = s->dropped_x ? s->dropped_x + n * b->inputs.stride : view_row(&l->x, t, row);
      for (int p = 0; p < CELL_PHASES; p++) {
        b->operand[p][n] = s->operand[p] ? s->operand[p] + n * stride
                                         : past_row(l, &l->states, b->h0, b->zeros, all->previous[i], row);
      }
    }
  }
  return n;
}

/* Packs columns from each of `count` rows into panels [first, end) of one vector, the last filled up with zeros. */
static void pack_panels(const real *const *row, int64_t count, int64_t columns, int64_t first, int64_t end, real *to) {
  to += first * count * VEC_LANES;
  for (int64_t column = first * VEC_LANES; column < end * VEC_LANES; column += VEC_LANES) {
    const int64_t left = columns - column;
    for (int64_t k = 0; k < count; k++, to += VEC_LANES) {
      v_store(to, left >= VEC_LANES ? v_load(row[k] + column) : v_load_n(row[k] + column, left));
    }
  }
}

/* This worker's share of the block's inputs and operands, as panels. */
static void pack_block(const struct rf_layer *l, const struct backward *b, int64_t rows) {
  const int64_t size = l->input_size / l->x_segments, panels = (size + VEC_LANES - 1) / VEC_LANES;
  for (int64_t s = 0; s < l->x_segments && l->d_weight_ih; s++) {
    for (int64_t k = 0; k < rows && s > 0; k++) b->x[k] += l->x_stride;
    pack_panels(b->x, rows, size, rf_share(panels, l->worker, l->workers), rf_share(panels, l->worker + 1, l->workers),
                b->shared.packed_x + s * panels * VEC_LANES * rows);
  }
  for (int p = 0; p < CELL_PHASES && l->d_weight_hh; p++) {
    pack_panels(b->operand[p], rows, l->hidden_size, rf_share(hidden_panels(l), l->worker, l->workers),
                rf_share(hidden_panels(l), l->worker + 1, l->workers), b->shared.packed_h[p]);
  }
}

/* Packs numbers [first, end) of every row of gates as [tile of 6][row][6]: the left operand of a weight gradient. */
static void pack_gradients(const struct backward *b, int64_t rows, int64_t first, int64_t end) {
  real *to = b->packed_gates;
  for (int64_t m = first; m < end; m += TILE_ROWS_MOST) {
    const int64_t most = end - m < TILE_ROWS_MOST ? end - m : TILE_ROWS_MOST;
    for (int64_t k = 0; k < rows; k++, to += TILE_ROWS_MOST) {
      for (int64_t i = 0; i < most; i++) to[i] = b->gates[k][m + i];
    }
  }
}

/* dW += gradients^T times operand, for those packed numbers [first, end) that are slots of `w`; `to` has its gradient. */
static void weight_product(const struct rf_layer *l, const struct backward *b, int64_t rows, int64_t first, int64_t end,
                           struct weights w, const real *panels, int64_t columns, real *to) {
  int64_t n = 0;
  for (int64_t m = first; m < end; m++) {
    const int64_t s = m / UNITS % CELL_SLOTS, unit = m / UNITS / CELL_SLOTS * UNITS + m % UNITS;
    if (s < w.slot || s >= w.slot + w.gates || unit >= w.hidden) continue;
    b->left[n] = b->packed_gates + (m - first) / TILE_ROWS_MOST * rows * TILE_ROWS_MOST + (m - first) % TILE_ROWS_MOST;
    b->into[n++] = to + (w.gate[s - w.slot] * w.hidden + unit) * w.columns;
  }
  const int64_t part = sum_part(rows) < WEIGHT_PART ? sum_part(rows) : WEIGHT_PART;
  const struct product p = {
      .a = {b->left, n, 1, rows, 0},
      .a_step = TILE_ROWS_MOST,
      .part = part,
      .b = {.packed = panels},
      .c = b->into,
      .columns = columns,
      .cache = &l->cache,
      .overwrite = b->overwrite,
  };
  product(&p);
}

/* This worker's share of the weights' rows. */
static void weight_gradients(const struct rf_layer *l, const struct backward *b, int64_t rows) {
  const int64_t all = gates_width(l, CELL_SLOTS), size = l->input_size / l->x_segments;
  const int64_t x_panels = (size + VEC_LANES - 1) / VEC_LANES * VEC_LANES * rows;
  const int64_t last = l->d_weight_ih || l->d_weight_hh ? rf_share(all, l->worker + 1, l->workers) : 0;
  for (int64_t first = rf_share(all, l->worker, l->workers), end; first < last; first = end) {
    end = first + PACKED_ROWS < last ? first + PACKED_ROWS : last;
    pack_gradients(b, rows, first, end);
    for (int64_t s = 0; s < l->x_segments && l->d_weight_ih; s++) {
      weight_product(l, b, rows, first, end, input_weights(l), b->shared.packed_x + s * x_panels, size,
                     (real *)l->d_weight_ih + s * size);
    }
    for (int p = 0; p < CELL_PHASES && l->d_weight_hh; p++) {
      weight_product(l, b, rows, first, end, state_weights(l, p), b->shared.packed_h[p], l->hidden_size,
                     l->d_weight_hh);
    }
  }
}

static inline void add_to(real *to, real sum, int overwrite) { *to = (overwrite ? 0 : *to) + sum; }

/* This worker's share of the blocks of units: one sum over the rows for every slot. */
static void bias_gradients(const struct rf_layer *l, const struct backward *b, int64_t rows) {
  enum { VECTORS = UNITS / VEC_LANES };
  const int64_t first = rf_share(hidden_blocks(l), l->worker, l->workers);
  const int64_t end = rf_share(hidden_blocks(l), l->worker + 1, l->workers);
  for (int64_t m = first * CELL_SLOTS * UNITS; m < end * CELL_SLOTS * UNITS; m += UNITS) {
    vec sum[3][VECTORS]; /* of rows, of those sums, of those */
    for (int i = 0; i < 3 * VECTORS; i++) sum[i / VECTORS][i % VECTORS] = v_set1(0);
    for (int64_t k = 0; k < rows; k++) {
      const int close = k + 1 == rows ? 2 : (k + 1) % BIAS_CHAIN ? 0 : (k + 1) % (BIAS_CHAIN * BIAS_CHAIN) ? 1 : 2;
      for (int v = 0; v < VECTORS; v++) {
        sum[0][v] = v_add(sum[0][v], v_load(b->gates[k] + m + v * VEC_LANES));
        for (int i = 0; i < close; i++) {
          sum[i + 1][v] = v_add(sum[i + 1][v], sum[i][v]);
          sum[i][v] = v_set1(0);
        }
      }
    }
    for (int v = 0; v < VECTORS; v++) v_store(b->sums + m + v * VEC_LANES, sum[2][v]);
  }
  real *x = l->d_bias_ih, *h = l->d_bias_hh;
  for (int64_t unit = first * UNITS; unit < end * UNITS && unit < l->hidden_size; unit++) {
    for (int s = 0; s < CELL_SLOTS; s++) {
      const real sum = b->sums[(unit / UNITS * CELL_SLOTS + s) * UNITS + unit % UNITS];
      if (x && CELL_GATE_X[s] >= 0) add_to(&x[CELL_GATE_X[s] * l->hidden_size + unit], sum, b->overwrite);
      if (h && CELL_GATE_H[s] >= 0) add_to(&h[CELL_GATE_H[s] * l->hidden_size + unit], sum, b->overwrite);
    }
  }
}

/* Zeros instead of gradients, where no step is live. */
static void no_gradients(const struct rf_layer *l) {
  const int64_t rows = CELL_GATES * l->hidden_size;
  if (l->d_weight_ih) zero_reals(l->d_weight_ih, rows * l->input_size);
  if (l->d_weight_hh) zero_reals(l->d_weight_hh, rows * l->hidden_size);
  if (l->d_bias_ih) zero_reals(l->d_bias_ih, rows);
  if (l->d_bias_hh) zero_reals(l->d_bias_hh, rows);
}

/* Pointers to this worker's live rows of visits [first, end): their gates, and dx from `column` on, which is zeros at steps
 * that are not live. Returns how many. */
static int64_t input_rows(const struct rf_layer *l, const struct backward *b, int64_t first, int64_t end,
                          int64_t column, int64_t columns, const real **gates) {
  int64_t n = 0;
  for (int64_t visit = first; visit < end; visit++) {
    const int64_t t = rf_plan_step(&l->plan, visit), start = l->plan.start[visit], live = live_rows(&l->plan, visit);
    for (int64_t row = l->plan.row_from, i = 0; row < l->plan.row_to; row++) {
      if (i < live && l->plan.row[start + i] == row) {
        gates[n] = view_row(&l->gates, t, row);
        b->dx[n++] = view_row(&l->dx, t, row);
        i++;
      } else if (l->dx_first) {
        zero_reals(view_row(&l->dx, t, row) + column, columns - column);
      }
    }
  }
  return n;
}

/* The mask of input dropout on dx[column..columns) of visits [first, end). */
static void input_gradients_drop(const struct rf_layer *l, const struct backward *b, int64_t first, int64_t end,
                                 int64_t column, int64_t columns) {
  for (int64_t visit = first, k = 0; visit < end; visit++) {
    const int64_t t = rf_plan_step(&l->plan, visit);
    for (int64_t i = l->plan.start[visit]; i < l->plan.start[visit + 1]; i++, k++) {
      const real *mask = input_mask(l, &b->inputs, t, l->plan.row[i]);
      multiply_row(b->dx[k] + column, b->dx[k] + column, mask + column, columns - column);
    }
  }
}

/* dx of this worker's rows, or where units are shared out of its columns. */
static void input_gradients(const struct rf_layer *l, const struct backward *b, int64_t first, int64_t end) {
  const real **gates = b->x; /* the block's inputs are packed by now */
  const int64_t blocks = rf_blocks(l->input_size, sizeof(real));
  const int64_t column = l->by_units ? rf_share(blocks, l->worker, l->workers) * UNITS : 0;
  int64_t columns = l->by_units ? rf_share(blocks, l->worker + 1, l->workers) * UNITS : l->input_size;
  if (columns > l->input_size) columns = l->input_size;
  const int64_t n = input_rows(l, b, first, end, column, columns, gates);
  const struct weights weights = input_weights(l);
  const struct product p = {
      .a = gates_operand(l, gates, n, 0, CELL_GATES),
      .a_step = 1,
      .part = sum_part(gates_width(l, CELL_GATES)),
      .b = {b->shared.weight_x, dx_once(l) ? pack_transposed : NULL, &weights, b->room},
      .c = b->dx,
      .first = column / VEC_LANES,
      .columns = columns,
      .cache = &l->cache,
      .overwrite = l->dx_first,
  };
  product(&p);
  if (l->input_dropout.probability > 0 && l->dx_last) input_gradients_drop(l, b, first, end, column, columns);
}

#endif
