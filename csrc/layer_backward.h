/* layer_backward.h - back-propagation through time for every cell: step by step the cell's gradient and the product
 * with W_hh, then per block of steps the gradients of weights and inputs as large products.
 *
 * We are at step t with dL/dh_t and dL/dc_t. The cell turns each saved gate into the gradient of its pre-activation, in
 * place, and leaves what reaches h_{t-1}, c_{t-1} directly; W_hh^T times those gradients is added to it. */
#ifndef RF_LAYER_BACKWARD_H
#define RF_LAYER_BACKWARD_H

#define PACKED_ROWS (16 * TILE_ROWS_MOST) /* of gradients, transposed at once: 96 KB of float32 at 256 steps and rows */

/* Scratch of a backward call. Pointer arrays hold one entry per row of a block, of a step (`..._row`), or per weight
 * row. `through_...` are the rows whose gradient goes on to an earlier state. */
struct backward {
  real *weight_x, *weight_h[CELL_PHASES]; /* panels: what dx, dh are made of */
  struct inputs inputs;
  real *h0, *c0, *zeros, *dh, *dc, *masks, *d_operand;
  real *dropped[2];         /* per row of a block: operand of W_hh in phase 0 under dropout, in phase 1 */
  const real **operand[2];  /* rows of a block: what the phases multiplied W_hh with */
  const real **x;
  real **gates, **dx;
  const real **h_row, **c_row, **c_next_row, **all_gates;
  real **dh_row, **dc_row, **d_operand_row;
  const real **through_gates;
  real **through_to;
  real *packed_gates, *packed_x, *packed_h, *sums;
  const real **left;
  real **into;
};

/* Numbers of a block's gradients that a phase, or the inputs, sum over. */
static inline int64_t gates_width(const struct rf_layer *l, int gates) { return hidden_blocks(l) * UNITS * gates; }

static struct backward backward_make(const struct rf_layer *l, struct arena *arena) {
  const int64_t stride = state_stride(l), batch = l->batch, size = l->input_size / l->x_segments;
  const int64_t visits = l->plan.t1 - l->plan.t0, block = l->block_steps < visits ? l->block_steps : visits;
  const int64_t rows = block * batch, hidden = hidden_panels(l) * VEC_LANES;
  struct backward b = {0};
  b.weight_x = take_reals(arena, (l->input_size + VEC_LANES) * gates_width(l, CELL_GATES));
  for (int p = 0; p < CELL_PHASES; p++) {
    b.weight_h[p] = take_reals(arena, hidden * gates_width(l, CELL_PHASE[p].gates));
  }
  b.inputs = inputs_make(l, rows, arena);
  b.h0 = take_reals(arena, batch * stride);
  b.c0 = take_reals(arena, CELL_STATES > 1 ? batch * stride : 0);
  b.zeros = take_reals(arena, stride);
  b.dh = take_reals(arena, batch * stride);
  b.dc = take_reals(arena, CELL_STATES > 1 ? batch * stride : 0);
  b.masks = recurrent_masks(l, arena);
  const int dropped = l->recurrent_dropout.probability > 0;
  b.d_operand = take_reals(arena, dropped || CELL_PHASES > 1 ? batch * stride : 0);
  b.dropped[0] = take_reals(arena, dropped ? rows * stride : 0);
  b.dropped[1] = take_reals(arena, CELL_PHASES > 1 ? rows * stride : 0);
  b.operand[0] = take_pointers(arena, rows);
  b.operand[1] = take_pointers(arena, CELL_PHASES > 1 ? rows : 0);
  b.x = take_pointers(arena, rows);
  b.gates = take_pointers(arena, rows);
  b.dx = take_pointers(arena, rows);
  b.h_row = take_pointers(arena, batch);
  b.c_row = take_pointers(arena, batch);
  b.c_next_row = take_pointers(arena, batch);
  b.all_gates = take_pointers(arena, batch);
  b.dh_row = take_pointers(arena, batch);
  b.dc_row = take_pointers(arena, batch);
  b.d_operand_row = take_pointers(arena, batch);
  b.through_gates = take_pointers(arena, batch);
  b.through_to = take_pointers(arena, batch);
  b.packed_gates = take_reals(arena, rows * PACKED_ROWS);
  b.packed_x = take_reals(arena, rows * l->x_segments * (size + VEC_LANES));
  b.packed_h = take_reals(arena, rows * hidden);
  b.sums = take_reals(arena, gates_width(l, CELL_SLOTS));
  b.left = take_pointers(arena, PACKED_ROWS);
  b.into = take_pointers(arena, PACKED_ROWS);
  return b;
}

static size_t layer_backward_bytes(const struct rf_layer *l) {
  struct arena arena = {0};
  backward_make(l, &arena);
  return arena.used;
}

/* W's rows, (G * H, columns), in the order of a row of gates, into panels of columns: what gradients are summed with. */
static void pack_transposed(const struct rf_layer *l, const real *weight, int64_t columns, const int *gate, int slot,
                            int gates, real *to) {
  for (int64_t column = 0; column < columns; column += VEC_LANES) {
    const int64_t left = columns - column;
    for (int64_t block = 0; block < hidden_blocks(l); block++) {
      for (int g = slot; g < slot + gates; g++) {
        for (int64_t unit = block * UNITS; unit < (block + 1) * UNITS; unit++, to += VEC_LANES) {
          const real *from = weight + (gate[g] * l->hidden_size + unit) * columns + column;
          v_store(to, unit < l->hidden_size ? v_load_n(from, left) : v_set1(0));
        }
      }
    }
  }
}

static void backward_begin(const struct rf_layer *l, struct backward *b) {
  const int64_t stride = state_stride(l);
  if (l->dx.base) pack_transposed(l, l->weight_ih, l->input_size, CELL_GATE_X, 0, CELL_GATES, b->weight_x);
  for (int p = 0; p < CELL_PHASES; p++) {
    pack_transposed(l, l->weight_hh, l->hidden_size, CELL_GATE_H, CELL_PHASE[p].slot, CELL_PHASE[p].gates,
                    b->weight_h[p]);
  }
  zero_reals(b->zeros, stride);
  states_in(l, l->h0, b->h0);
  states_in(l, l->dh_n, b->dh);
  if (CELL_STATES > 1) {
    states_in(l, l->c0, b->c0);
    states_in(l, l->dc_n, b->dc);
  }
  for (int64_t row = 0; row < l->batch; row++) {
    if (l->plan.last[row] != RF_FROM_ZEROS) continue;
    zero_reals(b->dh + row * stride, stride);
    if (CELL_STATES > 1) zero_reals(b->dc + row * stride, stride);
  }
}

/* The state that entry i of the plan started from. */
static const real *past_row(const struct rf_layer *l, const struct rf_view *kept, const real *start,
                            const real *zeros, int64_t i) {
  const int64_t previous = l->plan.previous[i], b = l->plan.row[i];
  if (previous >= 0) return view_row(kept, previous, b);
  return previous == RF_FROM_START ? start + b * state_stride(l) : zeros;
}

/* Pointers to the rows of visits [first, end), in the plan's order. */
static void block_rows(const struct rf_layer *l, const struct backward *b, int64_t first, int64_t end) {
  const int64_t stride = state_stride(l);
  int64_t n = 0;
  for (int64_t visit = first; visit < end; visit++) {
    const int64_t t = rf_plan_step(&l->plan, visit);
    for (int64_t i = l->plan.start[visit]; i < l->plan.start[visit + 1]; i++, n++) {
      const int64_t row = l->plan.row[i];
      b->gates[n] = view_row(&l->gates, t, row);
      if (l->dx.base) b->dx[n] = view_row(&l->dx, t, row);
      b->operand[0][n] = past_row(l, &l->states, b->h0, b->zeros, i);
      if (b->masks) {
        real *dropped = b->dropped[0] + n * stride;
        multiply_row(dropped, b->operand[0][n], b->masks + row * stride, l->hidden_size);
        zero_reals(dropped + l->hidden_size, stride - l->hidden_size);
        b->operand[0][n] = dropped;
      }
      if (CELL_PHASES > 1) b->operand[1][n] = b->dropped[1] + n * stride;
    }
  }
}

static void add_row(real *to, const real *from, int64_t count) {
  for (int64_t i = 0; i < count; i += VEC_LANES) {
    v_store_n(to + i, count - i, v_add(v_load_n(to + i, count - i), v_load_n(from + i, count - i)));
  }
}

/* Adds dy of one step to dh; what a step that is not live repeats waits in `held` until the step it repeats. */
static void add_output_gradient(const struct rf_layer *l, const struct backward *b, int64_t visit) {
  const int64_t t = rf_plan_step(&l->plan, visit), start = l->plan.start[visit], stride = state_stride(l);
  const int64_t live = live_rows(&l->plan, visit), size = l->hidden_size;
  for (int64_t row = 0, i = 0; row < l->batch; row++) {
    real *held = l->hold ? (real *)l->held + row * stride : NULL;
    if (i < live && l->plan.row[start + i] == row) {
      add_row(b->dh + row * stride, view_row(&l->dy, t, row), size);
      if (held) add_row(b->dh + row * stride, held, size);
      if (held) zero_reals(held, stride);
      i++;
    } else if (held) {
      add_row(held, view_row(&l->dy, t, row), size);
    }
  }
}

static double sum_of_squares(vec a, int64_t count) {
  real lanes[VEC_LANES];
  double sum = 0;
  v_store(lanes, a);
  for (int64_t i = 0; i < VEC_LANES && i < count; i++) sum += (double)lanes[i] * (double)lanes[i];
  return sum;
}

/* Pointers to the rows of one visit, and which of them reach an earlier state. Returns how many do. */
static int64_t step_backward_rows(const struct rf_layer *l, const struct backward *b, int64_t visit,
                                  real *const *gates) {
  const int64_t t = rf_plan_step(&l->plan, visit), start = l->plan.start[visit], stride = state_stride(l);
  const int start_wanted = l->dh0 || l->dc0;
  int64_t through = 0;
  for (int64_t i = 0; i < live_rows(&l->plan, visit); i++) {
    const int64_t row = l->plan.row[start + i], previous = l->plan.previous[start + i];
    b->h_row[i] = past_row(l, &l->states, b->h0, b->zeros, start + i);
    b->dh_row[i] = b->dh + row * stride;
    if (CELL_STATES > 1) {
      b->c_row[i] = past_row(l, &l->cells, b->c0, b->zeros, start + i);
      b->c_next_row[i] = view_row(&l->cells, t, row);
      b->dc_row[i] = b->dc + row * stride;
    }
    if (b->d_operand) b->d_operand_row[i] = b->d_operand + row * stride;
    if (previous == RF_FROM_ZEROS || (previous == RF_FROM_START && !start_wanted)) continue;
    b->through_gates[through] = gates[i];
    b->through_to[through] = b->masks ? b->d_operand_row[i] : b->dh_row[i];
    through++;
  }
  return through;
}

/* The cell's gradient on the rows of one visit; rows of gates end with zeros in the units beyond H. `squares`, unless
 * NULL, receives the squared norms of the states' gradients. */
INLINE void cell_backward_rows(const int phase, const struct rf_layer *l, const struct backward *b, int64_t rows,
                               real *const *gates, const real *const *h_dropped, real *const *operand,
                               double *squares) {
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t panel = 0; panel < hidden_panels(l); panel++) {
      const int64_t unit = panel * VEC_LANES;
      vec slots[CELL_SLOTS];
      UNROLL for (int s = 0; s < CELL_SLOTS; s++) slots[s] = v_load(gates[i] + slot_offset(panel, s));
      struct past past = {.h = v_load(b->h_row[i] + unit), .h_dropped = v_load(h_dropped[i] + unit)};
      struct gradient d = {.h = v_load(b->dh_row[i] + unit), .h_dropped = v_set1(0)};
      if (CELL_STATES > 1) {
        past.c = v_load(b->c_row[i] + unit);
        past.c_next = v_load(b->c_next_row[i] + unit);
        d.c = v_load(b->dc_row[i] + unit);
      }
      if (phase + 1 < CELL_PHASES) d.operand = v_load(b->d_operand_row[i] + unit);
      if (squares) squares[0] += sum_of_squares(d.h, l->hidden_size - unit);
      cell_backward(phase, slots, &past, &d);
      if (squares && CELL_STATES > 1) squares[1] += sum_of_squares(d.c_total, l->hidden_size - unit);
      UNROLL for (int s = 0; s < CELL_SLOTS; s++) v_store(gates[i] + slot_offset(panel, s), slots[s]);
      if (phase + 1 < CELL_PHASES) v_store(operand[i] + unit, d.operand);
      if (phase == 0 && b->masks) {
        v_store(b->d_operand_row[i] + unit, d.h_dropped);
      } else {
        d.h = v_add(d.h, d.h_dropped);
      }
      v_store(b->dh_row[i] + unit, d.h);
      if (CELL_STATES > 1) v_store(b->dc_row[i] + unit, d.c);
    }
    const int64_t beyond = hidden_blocks(l) * UNITS - l->hidden_size, block = hidden_blocks(l) - 1;
    for (int s = 0; s < CELL_SLOTS; s++) zero_reals(gates[i] + ((block * CELL_SLOTS + s + 1) * UNITS) - beyond, beyond);
  }
}

/* Rows of gates as the left operand of a product: the slots [slot, slot + gates). */
static struct rows gates_operand(const struct rf_layer *l, const real **row, int64_t count, int slot, int gates) {
  for (int64_t i = 0; i < count; i++) row[i] += slot * UNITS;
  if (gates == CELL_SLOTS) return (struct rows){row, count, 1, gates_width(l, gates), 0};
  return (struct rows){row, count, hidden_blocks(l), gates * UNITS, CELL_SLOTS * UNITS};
}

/* to += (or =) gradients of a phase's pre-activations times its rows of W_hh */
static void state_product(const struct rf_layer *l, const struct backward *b, int phase, int64_t rows,
                          const real **gates, real *const *to, int overwrite) {
  const struct product p = {
      .a = gates_operand(l, gates, rows, CELL_PHASE[phase].slot, CELL_PHASE[phase].gates),
      .a_step = 1,
      .b = b->weight_h[phase],
      .c = to,
      .columns = hidden_panels(l) * VEC_LANES,
      .overwrite = overwrite,
  };
  product(&p);
}

static void backward_step(const struct rf_layer *l, const struct backward *b, int64_t visit, int64_t offset) {
  const int64_t live = live_rows(&l->plan, visit), start = l->plan.start[visit], stride = state_stride(l);
  real *const *gates = b->gates + offset;
  const real *const *h_dropped = b->operand[0] + offset;
  real *const *operand = CELL_PHASES > 1 ? (real *const *)b->operand[1] + offset : NULL;
  if (l->dy.base) add_output_gradient(l, b, visit);
  const int64_t through = step_backward_rows(l, b, visit, gates);
  double squares[2] = {0, 0};
  cell_backward_rows(CELL_PHASES - 1, l, b, live, gates, h_dropped, operand, l->norms ? squares : NULL);
  for (int i = 0; i < 2 && l->norms; i++) {
    l->norms[rf_plan_step(&l->plan, visit) * l->norms_stride + i] = sqrt(squares[i]);
  }
  if (CELL_PHASES > 1) {
    memcpy(b->all_gates, gates, (size_t)live * sizeof *gates);
    state_product(l, b, 1, live, b->all_gates, b->d_operand_row, 1);
    cell_backward_rows(0, l, b, live, gates, h_dropped, operand, NULL);
  }
  state_product(l, b, 0, through, b->through_gates, b->through_to, 0);
  for (int64_t i = 0; i < live; i++) {
    const int64_t row = l->plan.row[start + i], previous = l->plan.previous[start + i];
    real *dh = b->dh + row * stride;
    if (previous == RF_FROM_ZEROS) {
      zero_reals(dh, stride);
      if (CELL_STATES > 1) zero_reals(b->dc + row * stride, stride);
    } else if (b->masks) {
      multiply_row(b->d_operand + row * stride, b->d_operand + row * stride, b->masks + row * stride, l->hidden_size);
      add_row(dh, b->d_operand + row * stride, l->hidden_size);
    }
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

/* dW += gradients^T times operand, for those packed numbers [first, end) that are slots of [slot, slot + gates). */
static void weight_product(const struct rf_layer *l, const struct backward *b, int64_t rows, int64_t first,
                           int64_t end, const int *gate, int slot, int gates, const real *panels, int64_t columns,
                           int64_t to_stride, real *to) {
  int64_t n = 0;
  for (int64_t m = first; m < end; m++) {
    const int64_t s = m / UNITS % CELL_SLOTS, unit = m / UNITS / CELL_SLOTS * UNITS + m % UNITS;
    if (s < slot || s >= slot + gates || unit >= l->hidden_size) continue;
    b->left[n] = b->packed_gates + (m - first) / TILE_ROWS_MOST * rows * TILE_ROWS_MOST + (m - first) % TILE_ROWS_MOST;
    b->into[n++] = to + (gate[s] * l->hidden_size + unit) * to_stride;
  }
  const struct product p = {
      .a = {b->left, n, 1, rows, 0}, .a_step = TILE_ROWS_MOST, .b = panels, .c = b->into, .columns = columns};
  product(&p);
}

static void weight_gradients(const struct rf_layer *l, const struct backward *b, int64_t rows) {
  const int64_t all = gates_width(l, CELL_SLOTS), size = l->input_size / l->x_segments;
  const int64_t x_panels = (size + VEC_LANES - 1) / VEC_LANES * VEC_LANES * rows;
  for (int64_t s = 0; s < l->x_segments && l->d_weight_ih; s++) {
    for (int64_t k = 0; k < rows; k++) b->x[k] += s ? l->x_stride : 0;
    pack_panels(b->x, rows, size, b->packed_x + s * x_panels);
  }
  for (int p = 0; p < CELL_PHASES; p++) {
    if (l->d_weight_hh) pack_panels(b->operand[p], rows, l->hidden_size, b->packed_h);
    for (int64_t first = 0; first < all; first += PACKED_ROWS) {
      const int64_t end = first + PACKED_ROWS < all ? first + PACKED_ROWS : all;
      pack_gradients(b, rows, first, end);
      for (int64_t s = 0; s < l->x_segments && p == 0 && l->d_weight_ih; s++) {
        weight_product(l, b, rows, first, end, CELL_GATE_X, 0, CELL_GATES, b->packed_x + s * x_panels, size,
                       l->input_size, (real *)l->d_weight_ih + s * size);
      }
      if (l->d_weight_hh) {
        weight_product(l, b, rows, first, end, CELL_GATE_H, CELL_PHASE[p].slot, CELL_PHASE[p].gates, b->packed_h,
                       l->hidden_size, l->hidden_size, l->d_weight_hh);
      }
    }
  }
}

static void bias_gradients(const struct rf_layer *l, const struct backward *b, int64_t rows) {
  const int64_t all = gates_width(l, CELL_SLOTS);
  for (int64_t m = 0; m < all; m += UNITS) {
    vec sum[UNITS / VEC_LANES];
    for (int64_t v = 0; v < UNITS / VEC_LANES; v++) sum[v] = v_set1(0);
    for (int64_t k = 0; k < rows; k++) {
      for (int64_t v = 0; v < UNITS / VEC_LANES; v++) sum[v] = v_add(sum[v], v_load(b->gates[k] + m + v * VEC_LANES));
    }
    for (int64_t v = 0; v < UNITS / VEC_LANES; v++) v_store(b->sums + m + v * VEC_LANES, sum[v]);
  }
  real *x = l->d_bias_ih, *h = l->d_bias_hh;
  for (int64_t unit = 0; unit < l->hidden_size; unit++) {
    for (int s = 0; s < CELL_SLOTS; s++) {
      const real sum = b->sums[(unit / UNITS * CELL_SLOTS + s) * UNITS + unit % UNITS];
      if (x && CELL_GATE_X[s] >= 0) x[CELL_GATE_X[s] * l->hidden_size + unit] += sum;
      if (h && CELL_GATE_H[s] >= 0) h[CELL_GATE_H[s] * l->hidden_size + unit] += sum;
    }
  }
}

static void input_gradients(const struct rf_layer *l, const struct backward *b, int64_t first, int64_t end,
                            int64_t rows) {
  const real **gates = b->x; /* the inputs are not needed any more */
  memcpy(gates, b->gates, (size_t)rows * sizeof *gates);
  const struct product p = {
      .a = gates_operand(l, gates, rows, 0, CELL_GATES),
      .a_step = 1,
      .b = b->weight_x,
      .c = b->dx,
      .columns = l->input_size,
      .overwrite = l->dx_first,
  };
  product(&p);
  for (int64_t visit = first, n = 0; visit < end; visit++) {
    const int64_t t = rf_plan_step(&l->plan, visit), start = l->plan.start[visit], live = live_rows(&l->plan, visit);
    for (int64_t row = 0, i = 0; row < l->batch; row++) {
      if (i == live || l->plan.row[start + i] != row) {
        if (l->dx_first) zero_reals(view_row(&l->dx, t, row), l->input_size);
        continue;
      }
      if (b->inputs.dropped && l->dx_last) {
        multiply_row(b->dx[n], b->dx[n], input_mask(l, &b->inputs, t, row), l->input_size);
      }
      i++, n++;
    }
  }
}

static void layer_backward(const struct rf_layer *l) {
  struct arena arena = {l->scratch, 0};
  struct backward b = backward_make(l, &arena);
  backward_begin(l, &b);
  for (int64_t end = l->plan.t1 - l->plan.t0, first; end > 0; end = first) {
    /* A block of the steps' own numbering, so that it does not depend on where a chunk starts. */
    const int64_t t = rf_plan_step(&l->plan, end - 1), within = t % l->block_steps;
    first = end - 1 - (l->plan.reverse ? l->block_steps - 1 - within : within);
    if (first < 0) first = 0;
    const int64_t rows = l->plan.start[end] - l->plan.start[first];
    block_rows(l, &b, first, end);
    for (int64_t visit = end - 1; visit >= first; visit--) {
      backward_step(l, &b, visit, l->plan.start[visit] - l->plan.start[first]);
    }
    inputs_find(l, &b.inputs, first, end, b.x);
    weight_gradients(l, &b, rows);
    if (l->d_bias_ih || l->d_bias_hh) bias_gradients(l, &b, rows);
    if (l->dx.base) input_gradients(l, &b, first, end, rows);
  }
  const int64_t stride = state_stride(l);
  for (int64_t row = 0; row < l->batch; row++) {
    b.dh_row[row] = b.dh + row * stride;
    if (CELL_STATES > 1) b.dc_row[row] = b.dc + row * stride;
  }
  states_out(l, (const real *const *)b.dh_row, l->dh0);
  if (CELL_STATES > 1) states_out(l, (const real *const *)b.dc_row, l->dc0);
}

#endif
