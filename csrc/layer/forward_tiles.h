/* forward_tiles.h - tiles of gates: the input product, and the recurrent one with the cell on its sums. */
#ifndef RF_FORWARD_TILES_H
#define RF_FORWARD_TILES_H

#include <stdint.h>
#include RF_VEC_H
#include RF_CELL_H
#include "layer/layer.h"
#include "layer/rows.h"
#include "product/gemm.h"
#include "product/operands.h"
#include "product/summation.h"
#include "product/tile.h"
#include "system/compiler.h"

/* Everything a tile needs of some rows: of a chunk for the input product, of one step for a phase. */
struct step {
  struct rows operand;
  struct panels panels;
  const real *bias; /* input product only */
  int keep;         /* gates are wanted later */
  real *const *gates;
  const real *const *h, *const *h_dropped, *const *c;
  real *const *h_next, *const *c_next, *const *operand_next;
};

/* One stage of the cell on one vector of units of one row; what it leaves for the next waits in the row. */
INLINE void cell_apply(const int phase, const int stage, const struct step *s, int64_t row, int64_t panel) {
  const int64_t unit = panel * VEC_LANES;
  const int last = stage + 1 == CELL_STAGES;
  real *gates = s->gates[row];
  vec slots[CELL_SLOTS];
  UNROLL for (int i = 0; i < CELL_SLOTS; i++) slots[i] = v_load(gates + slot_offset(panel, i));
  struct past past = {.h = CELL_PROJECTS ? v_set1(0) : v_load(s->h[row] + unit),
                      .h_dropped = CELL_PROJECTS ? v_set1(0) : v_load(s->h_dropped[row] + unit)};
  struct next next;
  if (CELL_STATES > 1 && stage == 0) past.c = v_load(s->c[row] + unit);
  if (CELL_STATES > 1 && stage > 0) next.c = v_load(s->c_next[row] + unit);
  cell_forward(phase, stage, slots, &past, &next);
  if (!last || s->keep || phase + 1 < CELL_PHASES) {
    UNROLL for (int i = 0; i < CELL_SLOTS; i++) v_store(gates + slot_offset(panel, i), slots[i]);
  }
  if (CELL_STATES > 1 && stage == 0) v_store(s->c_next[row] + unit, next.c);
  if (last && phase + 1 < CELL_PHASES) v_store(s->operand_next[row] + unit, next.operand);
  if (last && phase + 1 == CELL_PHASES) v_store((CELL_PROJECTS ? s->operand_next : s->h_next)[row] + unit, next.h);
}

/* The cell on a tile's R rows and V panels; one function for all sizes of tile. */
NOINLINE void cell_tile(int phase, const struct step *s, const struct tile *at, int R, int V) {
  UNROLL for (int stage = 0; stage < CELL_STAGES; stage++) {
    for (int r = 0; r < R; r++) {
      for (int v = 0; v < V; v++) {
        if (CELL_PHASES == 1 || phase == 0) {
          cell_apply(0, stage, s, at->row + r, at->panel + v);
        } else {
          cell_apply(CELL_PHASES - 1, stage, s, at->row + r, at->panel + v);
        }
      }
    }
  }
}

/* Slots whose sums start apart from the inputs' */
INLINE void gates_begin(const struct step *s, const struct tile *at, const int R, const int V) {
  UNROLL for (int i = 0; i < R * V; i++) {
    UNROLL for (int g = CELL_GATES; g < CELL_SLOTS; g++) {
      const int64_t offset = slot_offset(at->panel + i % V, g);
      v_store(s->gates[at->row + i / V] + offset, v_load(s->bias + offset));
    }
  }
}

enum { INPUT_PRODUCT = -1 }; /* in place of a phase */

INLINE void gates_tile(const int phase, const int R, const int V, const void *job, const struct tile *at) {
  const struct step *s = job;
  const int G = phase == INPUT_PRODUCT ? CELL_GATES : CELL_PHASE[phase].gates;
  const int slot = phase == INPUT_PRODUCT ? 0 : CELL_PHASE[phase].slot;
  real *const *gates = s->gates + at->row;
  const real *bias[TILE_ROWS_MOST];
  UNROLL for (int r = 0; r < R; r++) bias[r] = s->bias;
  const int from_bias = phase == INPUT_PRODUCT && at->first;
  struct sums sums = {from_bias ? bias : (const real *const *)gates, gates, .columns = V * G * VEC_LANES};
  UNROLL for (int n = 0; n < V * G; n++) sums.offset[n] = slot_offset(at->panel + n / G, slot + n % G);
  tile_multiply(R, V, G, &sums, at, &s->operand, 1);
  if (!at->last) return;
  if (phase == INPUT_PRODUCT) {
    gates_begin(s, at, R, V);
  } else {
    cell_tile(phase, s, at, R, V);
  }
}

INLINE void input_tile(const int R, const int V, const void *job, const struct tile *at) {
  gates_tile(INPUT_PRODUCT, R, V, job, at);
}
INLINE void phase0_tile(const int R, const int V, const void *job, const struct tile *at) {
  gates_tile(0, R, V, job, at);
}
TILE_FUNCTIONS(input_tile, CELL_GATES)
TILE_FUNCTIONS(phase0_tile, CELL_PHASE0_GATES)
#if CELL_PHASES > 1
INLINE void phase1_tile(const int R, const int V, const void *job, const struct tile *at) {
  gates_tile(1, R, V, job, at);
}
TILE_FUNCTIONS(phase1_tile, CELL_PHASE1_GATES)
static const struct tile_family *const phase_family[] = {&phase0_tile_family, &phase1_tile_family};
#else
static const struct tile_family *const phase_family[] = {&phase0_tile_family};
#endif

INLINE void gates_run(const struct tile_family *family, const struct rf_layer *l, const struct step *s) {
  const int64_t part = sum_part(rows_width(&s->operand));
  tiles_run(family, &s->operand, part, &s->panels, own_first(l), own_end(l), &l->cache, s);
}

#endif
