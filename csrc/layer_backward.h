/* layer_backward.h - back-propagation through time for every cell: step by step the cell's gradient and the product
 * with W_hh, then per block of steps the gradients of weights and inputs as large products.
 *
 * We are at step t with dL/dh_t and dL/dc_t. The cell turns each saved gate into the gradient of its pre-activation, in
 * place, and leaves what reaches h_{t-1}, c_{t-1} directly; W_hh^T times those gradients is added to it. */
#ifndef RF_LAYER_BACKWARD_H
#define RF_LAYER_BACKWARD_H

/* This worker's share of all panels: what gradients are summed with. */
static void pack_all_transposed(const struct rf_layer *l, struct weights w, real *to) {
  const int64_t panels = (w.columns + VEC_LANES - 1) / VEC_LANES, width = gates_width(l, w.gates);
  const int64_t first = rf_share(panels, l->worker, l->workers), end = rf_share(panels, l->worker + 1, l->workers);
  /* A block of units at a time over all panels, so that W is read as it lies. */
  for (int64_t k = 0; k < width; k += w.gates * UNITS) {
    for (int64_t panel = first; panel < end; panel++) {
      pack_transposed(&w, panel, k, k + w.gates * UNITS, to + (panel * width + k) * VEC_LANES);
    }
  }
}

static void backward_begin(const struct rf_layer *l, struct backward *b) {
  const int64_t stride = state_stride(l);
  if (l->dx.base && !dx_once(l)) pack_all_transposed(l, input_weights(l), b->shared.weight_x);
  for (int p = 0; p < CELL_PHASES && !state_once(l); p++) {
    pack_all_transposed(l, state_weights(l, p), b->shared.weight_h[p]);
  }
  zero_reals(b->zeros, stride);
  states_in(l, &l->all, l->h0, b->h0); /* every row's: the weights' gradients are products with them */
  states_in(l, &l->plan, l->dh_n, b->dh);
  if (CELL_STATES > 1) states_in(l, &l->plan, l->c0, b->c0);
  if (CELL_STATES > 1) states_in(l, &l->plan, l->dc_n, b->dc);
  for (int64_t row = l->plan.row_from; row < l->plan.row_to; row++) {
    if (l->plan.last[row] != RF_FROM_ZEROS) continue;
    zero_reals(b->dh + row * stride, stride);
    if (CELL_STATES > 1) zero_reals(b->dc + row * stride, stride);
  }
  rf_layer_wait(l);
}

static void add_row(real *to, const real *from, int64_t count) {
  for (int64_t i = 0; i < count; i += VEC_LANES) {
    v_store_n(to + i, count - i, v_add(v_load_n(to + i, count - i), v_load_n(from + i, count - i)));
  }
}

/* Adds dy of one step to dh; what a step that is not live repeats waits in `held` until the step it repeats. */
static void add_output_gradient(const struct rf_layer *l, const struct backward *b, int64_t visit) {
  const int64_t t = rf_plan_step(&l->plan, visit), start = l->plan.start[visit], stride = state_stride(l);
  const int64_t live = live_rows(&l->plan, visit), unit = l->unit_from, size = own_units(l);
  for (int64_t row = l->plan.row_from, i = 0; row < l->plan.row_to; row++) {
    real *dh = b->dh + row * stride + unit;
    real *held = l->hold ? (real *)l->held + row * stride + unit : NULL;
    const real *dy = l->dy.base ? view_row(&l->dy, t, row) + unit : NULL;
    if (i < live && l->plan.row[start + i] == row) {
      if (dy) add_row(dh, dy, size);
      if (held) add_row(dh, held, size);
      if (held) zero_reals(held, size);
      i++;
    } else if (held && dy) {
      add_row(held, dy, size);
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
static int64_t backward_rows(const struct rf_layer *l, const struct backward *b, int64_t visit) {
  const int64_t t = rf_plan_step(&l->plan, visit), start = l->plan.start[visit], stride = state_stride(l);
  const int64_t first_entry = own_entry(l, b, visit);
  const int start_wanted = l->dh0 || l->dc0;
  int64_t through = 0;
  for (int64_t i = 0; i < live_rows(&l->plan, visit); i++) {
    const int64_t row = l->plan.row[start + i], previous = l->plan.previous[start + i];
    const int64_t entry = first_entry + i;
    b->gates_row[i] = view_row(&l->gates, t, row);
    b->h_row[i] = b->h_dropped_row[i] = past_row(l, &l->states, b->h0, b->zeros, previous, row);
    b->dh_row[i] = b->dh + row * stride;
    if (CELL_STATES > 1) {
      b->c_row[i] = past_row(l, &l->cells, b->c0, b->zeros, previous, row);
      b->c_next_row[i] = view_row(&l->cells, t, row);
      b->dc_row[i] = b->dc + row * stride;
    }
    if (b->d_operand) b->d_operand_row[i] = b->d_operand + row * stride;
    if (CELL_PHASES > 1) b->operand_row[i] = b->shared.operand[1] + entry * stride;
    if (b->masks) {
      const int64_t unit = l->unit_from;
      real *dropped = b->shared.operand[0] + entry * stride;
      zero_reals(dropped + unit, own_end(l) * VEC_LANES - unit);
      multiply_row(dropped + unit, b->h_row[i] + unit, b->masks + row * stride + unit, own_units(l));
      b->h_dropped_row[i] = dropped;
    }
    if (l->norms) b->squares_row[i] = b->shared.squares + 2 * hidden_blocks(l) * entry;
    if (b->shared.dropped_x && l->d_weight_ih && (!l->by_units || row % l->workers == l->worker))
      input_drop(l, &b->inputs, t, row, b->shared.dropped_x + entry * b->inputs.stride);
    if (previous == RF_FROM_ZEROS || (previous == RF_FROM_START && !start_wanted)) continue;
    b->through_gates[through] = b->gates_row[i];
    b->through_to[through++] = b->masks ? b->d_operand_row[i] : b->dh_row[i];
  }
  return through;
}

/* The slots that a phase of backward writes. In the first of two, other workers still read the last one's. */
static inline int first_slot(int phase) { return phase + 1 < CELL_PHASES ? CELL_PHASE[phase].slot : 0; }
static inline int end_slot(int phase) {
  return phase + 1 < CELL_PHASES ? CELL_PHASE[phase].slot + CELL_PHASE[phase].gates : CELL_SLOTS;
}

/* The cell's gradient on one vector of units of one row. */
INLINE void cell_backward_apply(const int phase, const struct rf_layer *l, const struct backward *b, int64_t i,
                                int64_t panel) {
  const int64_t unit = panel * VEC_LANES;
  real *gates = b->gates_row[i];
  double *squares = l->norms && phase + 1 == CELL_PHASES ? b->squares_row[i] + unit / UNITS * 2 : NULL;
  vec slots[CELL_SLOTS];
  UNROLL for (int s = 0; s < CELL_SLOTS; s++) slots[s] = v_load(gates + slot_offset(panel, s));
  struct past past = {.h = v_load(b->h_row[i] + unit), .h_dropped = v_load(b->h_dropped_row[i] + unit)};
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
  UNROLL for (int s = first_slot(phase); s < end_slot(phase); s++) v_store(gates + slot_offset(panel, s), slots[s]);
  if (phase + 1 < CELL_PHASES) v_store(b->operand_row[i] + unit, d.operand);
  if (phase == 0 && b->masks) {
    v_store(b->d_operand_row[i] + unit, d.h_dropped);
  } else {
    d.h = v_add(d.h, d.h_dropped);
  }
  v_store(b->dh_row[i] + unit, d.h);
  if (CELL_STATES > 1) v_store(b->dc_row[i] + unit, d.c);
}

/* The cell's gradient on the rows of one visit. Units beyond H in a row of gates end as zeros: products sum over them,
 * and what is there by then may not be a number. */
INLINE void cell_backward_rows(const int phase, const struct rf_layer *l, const struct backward *b, int64_t rows) {
  const int64_t beyond = l->unit_to == l->hidden_size ? hidden_blocks(l) * UNITS - l->hidden_size : 0;
  const int64_t last = (hidden_blocks(l) - 1) * CELL_SLOTS * UNITS;
  for (int64_t i = 0; i < rows; i++) {
    if (l->norms && phase + 1 == CELL_PHASES) {
      for (int64_t unit = l->unit_from; unit < l->unit_to; unit += UNITS) {
        b->squares_row[i][unit / UNITS * 2] = b->squares_row[i][unit / UNITS * 2 + 1] = 0;
      }
    }
    for (int64_t panel = own_first(l); panel < own_end(l); panel++) cell_backward_apply(phase, l, b, i, panel);
    for (int s = first_slot(phase); s < end_slot(phase); s++) {
      zero_reals(b->gates_row[i] + last + (s + 1) * UNITS - beyond, beyond);
    }
  }
}

/* to += (or =) gradients of a phase's pre-activations times its rows of W_hh */
static void state_product(const struct rf_layer *l, const struct backward *b, int phase, int64_t rows,
                          const real **gates, real *const *to, int overwrite) {
  const struct weights weights = state_weights(l, phase);
  const struct product p = {
      .a = gates_operand(l, gates, rows, CELL_PHASE[phase].slot, CELL_PHASE[phase].gates),
      .a_step = 1,
      .part = sum_part(gates_width(l, CELL_PHASE[phase].gates)),
      .b = {b->shared.weight_h[phase], state_once(l) ? pack_transposed : NULL, &weights, b->room},
      .c = to,
      .first = own_first(l),
      .columns = own_end(l) * VEC_LANES,
      .cache = &l->cache,
      .overwrite = overwrite,
  };
  product(&p);
}

static void backward_step(const struct rf_layer *l, const struct backward *b, int64_t visit) {
  const int64_t live = live_rows(&l->plan, visit), start = l->plan.start[visit], stride = state_stride(l);
  if (l->dy.base || l->hold) add_output_gradient(l, b, visit);
  const int64_t through = backward_rows(l, b, visit);
  cell_backward_rows(CELL_PHASES - 1, l, b, live);
  rf_units_wait(l);
  if (CELL_PHASES > 1) {
    memcpy(b->all_gates, b->gates_row, (size_t)live * sizeof *b->all_gates);
    state_product(l, b, 1, live, b->all_gates, b->d_operand_row, 1);
    cell_backward_rows(0, l, b, live);
    rf_units_wait(l);
  }
  state_product(l, b, 0, through, b->through_gates, b->through_to, 0);
  for (int64_t i = 0; i < live; i++) {
    const int64_t row = l->plan.row[start + i];
    if (l->plan.previous[start + i] == RF_FROM_ZEROS) {
      zero_reals(b->dh_row[i], stride);
      if (CELL_STATES > 1) zero_reals(b->dc_row[i], stride);
    } else if (b->masks) {
      real *d_operand = b->d_operand_row[i] + l->unit_from;
      multiply_row(d_operand, d_operand, b->masks + row * stride + l->unit_from, own_units(l));
      add_row(b->dh_row[i] + l->unit_from, d_operand, own_units(l));
    }
  }
}

/* The norms of visits [first, end), summed in the order of rows and units, whichever worker had them. */
static void block_norms(const struct rf_layer *l, const struct backward *b, int64_t first, int64_t end) {
  for (int64_t visit = first; visit < end; visit++) {
    const int64_t t = rf_plan_step(&l->all, visit);
    double sum[2] = {0, 0};
    for (int64_t i = l->all.start[visit]; i < l->all.start[visit + 1]; i++) {
      const double *squares = b->shared.squares + 2 * hidden_blocks(l) * (i - b->first_entry);
      for (int64_t k = 0; k < 2 * hidden_blocks(l); k++) sum[k % 2] += squares[k];
    }
    for (int k = 0; k < 2; k++) l->norms[t * l->norms_stride + k] = sqrt(sum[k]);
  }
}

/* One block of steps: this worker's rows through time, then its share of the gradients that sum over all rows. */
static void backward_block(const struct rf_layer *l, struct backward *b, int64_t first, int64_t end) {
  for (int64_t visit = end - 1; visit >= first; visit--) backward_step(l, b, visit);
  rf_layer_wait(l);
  const int64_t rows = block_rows(l, b, first, end);
  pack_block(l, b, rows);
  if (l->norms && l->worker == 0) block_norms(l, b, first, end);
  rf_layer_wait(l);
  if (rows > 0) {
    weight_gradients(l, b, rows);
    bias_gradients(l, b, rows);
    b->overwrite = 0;
  }
  if (l->dx.base) input_gradients(l, b, first, end);
}

static void layer_backward(const struct rf_layer *l) {
  struct arena arena = {l->scratch, 0}, shared = {l->shared, 0};
  struct backward b = backward_make(l, &arena);
  b.shared = shared_make(l, &shared);
  b.overwrite = l->overwrite;
  backward_begin(l, &b);
  for (int64_t end = l->plan.t1 - l->plan.t0, first; end > 0; end = first) {
    first = block_first(&l->all, end);
    b.first_entry = l->all.start[first];
    backward_block(l, &b, first, end);
  }
  if (b.overwrite && l->worker == 0) no_gradients(l);
  rf_layer_wait(l); /* the next layer uses the same shared memory */
  const int64_t stride = state_stride(l);
  const real **row = (const real **)b.h_row;
  for (int64_t i = l->plan.row_from; i < l->plan.row_to; i++) row[i] = b.dh + i * stride;
  states_out(l, row, l->dh0);
  for (int64_t i = l->plan.row_from; i < l->plan.row_to && CELL_STATES > 1; i++) row[i] = b.dc + i * stride;
  if (CELL_STATES > 1) states_out(l, row, l->dc0);
}

#endif
