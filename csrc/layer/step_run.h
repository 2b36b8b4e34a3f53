/* step_run.h - one step of a layer: strip after strip, sums that stay in registers and the cell on them. */
#ifndef RF_STEP_RUN_H
#define RF_STEP_RUN_H

#include <stdint.h>
#include RF_VEC_H
#include RF_CELL_H
#include "layer/rows.h"
#include "layer/step.h"
#include "layer/step_pack.h"
#include "system/compiler.h"

/* One row's step in progress. */
struct step_row {
  const real *x, *h;
  real *c, *y;
  real *next;    /* the new h; h itself where nothing reads that any more */
  real *operand; /* of phase 1 */
  real *gates;   /* between phases */
  int64_t input_size, hidden_size, part_x, part_h;
};

/* sums[v][slot + g] += the products of a row and a strip's gates, part by part. Returns the weights after these. */
INLINE const real *strip_multiply(const int V, const int G, const int slot, const real *row, int64_t width,
                                  int64_t part, const real *w, vec *sums) {
  for (int64_t k = 0, end; k < width;) {
    vec acc[STRIP_MOST * CELL_GATES];
    UNROLL for (int n = 0; n < V * G; n++) acc[n] = v_set1(0);
    for (end = k + part < width ? k + part : width; k < end; k++, w += V * G * VEC_LANES) {
      const vec left = v_set1(row[k]);
      UNROLL for (int n = 0; n < V * G; n++) acc[n] = v_fma(left, v_load(w + n * VEC_LANES), acc[n]);
    }
    UNROLL for (int n = 0; n < V * G; n++) {
      vec *sum = sums + n / G * CELL_SLOTS + slot + n % G;
      *sum = v_add(*sum, acc[n]);
    }
  }
  return w;
}

/* The cell on a strip's sums, stage by stage on all panels, so that what one must wait for overlaps with the others. */
INLINE void strip_cell(const int phase, const int V, const struct step_row *r, int64_t unit, vec *sums) {
  struct past past[STRIP_MOST];
  struct next next[STRIP_MOST];
  UNROLL for (int v = 0; v < V; v++) {
    past[v].h = past[v].h_dropped = v_load(r->h + unit + v * VEC_LANES);
    if (CELL_STATES > 1) past[v].c = v_load(r->c + unit + v * VEC_LANES);
  }
  UNROLL for (int stage = 0; stage < CELL_STAGES; stage++) {
    UNROLL for (int v = 0; v < V; v++) cell_forward(phase, stage, sums + v * CELL_SLOTS, &past[v], &next[v]);
  }
  UNROLL for (int v = 0; v < V; v++) {
    const int64_t at = unit + v * VEC_LANES, left = r->hidden_size - at;
    if (CELL_STATES > 1) v_store(r->c + at, next[v].c);
    if (phase + 1 < CELL_PHASES) {
      v_store(r->operand + at, next[v].operand);
      continue;
    }
    v_store(r->next + at, next[v].h);
    if (r->y && left >= VEC_LANES) v_store(r->y + at, next[v].h);
    if (r->y && left < VEC_LANES) v_store_n(r->y + at, left, next[v].h);
  }
}

INLINE void strip_run(const int phase, const int V, const struct step_row *r, const real *w, int64_t unit) {
  const int slot = CELL_PHASE[phase].slot, gates = CELL_PHASE[phase].gates;
  vec sums[STRIP_MOST * CELL_SLOTS];
  real *kept = r->gates + unit * CELL_SLOTS;
  UNROLL for (int n = 0; n < V * CELL_SLOTS; n++) sums[n] = v_load((phase == 0 ? w : kept) + n * VEC_LANES);
  if (phase == 0) {
    w += V * CELL_SLOTS * VEC_LANES;
    w = strip_multiply(V, CELL_GATES, 0, r->x, r->input_size, r->part_x, w, sums);
  }
  strip_multiply(V, gates, slot, phase == 0 ? r->h : r->operand, r->hidden_size, r->part_h, w, sums);
  strip_cell(phase, V, r, unit, sums);
  if (phase + 1 < CELL_PHASES) {
    UNROLL for (int n = 0; n < V * CELL_SLOTS; n++) v_store(kept + n * VEC_LANES, sums[n]);
  }
}

typedef void strip_function(const struct step_row *r, const real *w, int64_t unit);

/* A function for every V, a constant, since only then does a compiler keep the sums in registers. */
#define STRIP_FUNCTION(P, V)                                                                                           \
  NOINLINE void strip_##P##_##V(const struct step_row *r, const real *w, int64_t unit) {                               \
    if (V <= STRIP_MOST) {                                                                                             \
      strip_run(P, V, r, w, unit);                                                                                     \
    } else {                                                                                                           \
      __builtin_trap();                                                                                                \
    }                                                                                                                  \
  }
#define STRIP_FUNCTIONS(P)                                                                                             \
  STRIP_FUNCTION(P, 1)                                                                                                 \
  STRIP_FUNCTION(P, 2)                                                                                                 \
  STRIP_FUNCTION(P, 3)                                                                                                 \
  STRIP_FUNCTION(P, 4)                                                                                                 \
  STRIP_FUNCTION(P, 5)                                                                                                 \
  STRIP_FUNCTION(P, 6)                                                                                                 \
  STRIP_FUNCTION(P, 7)                                                                                                 \
  STRIP_FUNCTION(P, 8)                                                                                                 \
  static strip_function *const strip_##P[] = {strip_##P##_1, strip_##P##_2, strip_##P##_3, strip_##P##_4,              \
                                              strip_##P##_5, strip_##P##_6, strip_##P##_7, strip_##P##_8};

STRIP_FUNCTIONS(0)
#if CELL_PHASES > 1
STRIP_FUNCTIONS(1)
static strip_function *const *const strip_family[] = {strip_0, strip_1};
#else
static strip_function *const *const strip_family[] = {strip_0};
#endif

/* Scratch of a step: the new h, the operand of phase 1, gates between phases. */
static size_t step_workspace_bytes(const struct rf_step *s) {
  const int64_t rows = 1 + (CELL_PHASES > 1 ? 1 + CELL_SLOTS : 0);
  return (size_t)(rows * rf_step_state(s->hidden_size, sizeof(real))) * sizeof(real);
}

/* All strips of a phase, forwards or backwards. */
INLINE void step_phase(const int phase, const struct step_plan *plan, const real *packed, const struct step_row *r,
                       int backwards) {
  const int64_t width = plan->width[phase] * VEC_LANES;
  const int64_t all = plan->strips * plan->panels + plan->longer;
  for (int64_t i = 0, panel = backwards ? all : 0; i < plan->strips; i++) {
    const int64_t strip = backwards ? plan->strips - 1 - i : i, panels = plan->panels + (strip < plan->longer);
    if (backwards) panel -= panels;
    strip_family[phase][panels - 1](r, packed + plan->before[phase] + panel * width, panel * VEC_LANES);
    if (!backwards) panel += panels;
  }
}

static void step_run(const struct rf_step *s, int64_t batch, const void *x, void *y, void *h, void *c, int64_t turn,
                     void *workspace) {
  const struct step_plan *plan = s->packed;
  real *scratch = workspace;
  const int64_t stride = s->state_stride;
  const int in_place = plan->strips == 1 || CELL_PHASES > 1;
  for (int64_t b = 0; b < batch; b++) {
    real *h_row = (real *)h + b * stride;
    struct step_row r = {
        .x = (const real *)x + b * s->x_stride,
        .h = h_row,
        .c = CELL_STATES > 1 ? (real *)c + b * stride : NULL,
        .y = y ? (real *)y + b * s->y_stride : NULL,
        .next = in_place ? h_row : scratch,
        .operand = scratch + stride,
        .gates = scratch + 2 * stride,
        .input_size = s->input_size,
        .hidden_size = s->hidden_size,
        .part_x = plan->part_x,
        .part_h = plan->part_h,
    };
    const int backwards = (turn + b) & 1;
    UNROLL for (int phase = 0; phase < CELL_PHASES; phase++) step_phase(phase, plan, s->packed, &r, backwards);
    for (int64_t unit = 0; unit < s->hidden_size && !in_place; unit += VEC_LANES) {
      v_store(h_row + unit, v_load(scratch + unit));
    }
  }
}

#endif
