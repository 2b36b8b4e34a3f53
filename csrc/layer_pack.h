/* layer_pack.h - the parameters of a layer, rearranged into panels: for each vector of hidden units [k][gate][lane]. */
#ifndef RF_LAYER_PACK_H
#define RF_LAYER_PACK_H

/* Where the parts of a packed layer stand: W_ih, W_hh per phase, then the bias in the layout of a row of gates. */
struct packed {
  const real *x;
  const real *h[CELL_PHASES];
  const real *bias;
};

static struct packed packed_parts(const struct rf_layer *l, const real *base) {
  const int64_t units = hidden_panels(l) * VEC_LANES;
  struct packed p = {.x = base};
  base += units * CELL_GATES * l->input_size;
  for (int phase = 0; phase < CELL_PHASES; phase++) {
    p.h[phase] = base;
    base += units * CELL_PHASE[phase].gates * l->hidden_size;
  }
  p.bias = base;
  return p;
}

/* Columns [column, column + left) of as many rows as a vector has lanes, `stride` apart, of which `rows` are there; the
 * others are zeros. Leaves column after column, VEC_LANES of them, in m: log2 rounds of interleaving turn a square over. */
INLINE void load_transposed(const real *from, int64_t stride, int64_t rows, int64_t left, vec *m) {
  vec next[VEC_LANES];
  UNROLL for (int r = 0; r < VEC_LANES; r++) {
    m[r] = r >= rows ? v_set1(0) : left >= VEC_LANES ? v_load(from + r * stride) : v_load_n(from + r * stride, left);
  }
  for (int round = 1; round < VEC_LANES; round *= 2) {
    UNROLL for (int r = 0; r < VEC_LANES / 2; r++) {
      next[2 * r] = m[r];
      next[2 * r + 1] = m[r + VEC_LANES / 2];
      v_interleave(&next[2 * r], &next[2 * r + 1]);
    }
    UNROLL for (int r = 0; r < VEC_LANES; r++) m[r] = next[r];
  }
}

/* Columns of W that are packed for all gates before the next ones: what is read and written meanwhile stays in L1. */
#define PACK_COLUMNS 64

/* This worker's share of W, (G * H, columns), to panels of `gates` slots from `slot` on; `gate` says which of its gates
 * a slot is. */
static void pack_gates(const struct rf_layer *l, const real *weight, int64_t columns, const int *gate, int slot,
                       int gates, real *to) {
  const int64_t panels = hidden_panels(l), size = columns * gates * VEC_LANES;
  const int64_t end = rf_share(panels, l->worker + 1, l->workers);
  for (int64_t panel = rf_share(panels, l->worker, l->workers); panel < end; panel++) {
    const int64_t unit = panel * VEC_LANES;
    for (int64_t first = 0; first < columns; first += PACK_COLUMNS) {
      const int64_t stop = first + PACK_COLUMNS < columns ? first + PACK_COLUMNS : columns;
      for (int g = 0; g < gates; g++) {
        const real *from = weight + (gate[slot + g] * l->hidden_size + unit) * columns;
        for (int64_t k = first; k < stop; k += VEC_LANES) {
          vec column[VEC_LANES];
          load_transposed(from + k, columns, l->hidden_size - unit, columns - k, column);
          real *next = to + panel * size + (k * gates + g) * VEC_LANES;
          const int64_t count = columns - k < VEC_LANES ? columns - k : VEC_LANES;
          for (int i = 0; i < count; i++) v_store(next + i * gates * VEC_LANES, column[i]);
        }
      }
    }
  }
}

static void pack_bias(const struct rf_layer *l, real *to) {
  zero_reals(to, hidden_blocks(l) * CELL_SLOTS * UNITS);
  if (!l->bias_ih) return;
  const real *bias_x = l->bias_ih, *bias_h = l->bias_hh;
  for (int64_t unit = 0; unit < l->hidden_size; unit++) {
    for (int slot = 0; slot < CELL_SLOTS; slot++) {
      real *sum = to + (unit / UNITS * CELL_SLOTS + slot) * UNITS + unit % UNITS;
      if (CELL_GATE_X[slot] >= 0) *sum += bias_x[CELL_GATE_X[slot] * l->hidden_size + unit];
      if (CELL_GATE_H[slot] >= 0) *sum += bias_h[CELL_GATE_H[slot] * l->hidden_size + unit];
    }
  }
}

static void layer_pack(const struct rf_layer *l) {
  const struct packed p = packed_parts(l, l->packed);
  pack_gates(l, l->weight_ih, l->input_size, CELL_GATE_X, 0, CELL_GATES, (real *)p.x);
  for (int phase = 0; phase < CELL_PHASES; phase++) {
    const struct phase *f = &CELL_PHASE[phase];
    pack_gates(l, l->weight_hh, l->hidden_size, CELL_GATE_H, f->slot, f->gates, (real *)p.h[phase]);
  }
  if (l->worker == 0) pack_bias(l, (real *)p.bias);
}

#endif
