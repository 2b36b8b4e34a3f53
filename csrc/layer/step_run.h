/* step_run.h - one step of a layer: strip after strip, sums that stay in registers and the cell on them. */
#ifndef RF_STEP_RUN_H
#define RF_STEP_RUN_H

#include <stdint.h>
#include RF_VEC_H
#include RF_CELL_H
#include "layer/rows.h"
#include "layer/step.h"
#include "layer/step_pack.h"
#include "layer/strip.h"
#include "system/compiler.h"

/* One row's step. Passed on as arguments: what is written to memory first waits there, and small nets notice. */
#define STEP_ROW const struct rf_step *s, const real *x, real *y, real *h, real *c, real *scratch
#define STEP_ROW_PASSED s, x, y, h, c, scratch

/* Scratch of a step: the new h, the operand of phase 1, gates between phases. */
static inline real *scratch_operand(const struct rf_step *s, real *scratch) { return scratch + s->state_stride; }
static inline real *scratch_gates(const struct rf_step *s, real *scratch) { return scratch + 2 * s->state_stride; }

static size_t step_workspace_bytes(const struct rf_step *s) {
  const int64_t rows = 1 + (CELL_PHASES > 1 ? 1 + CELL_SLOTS : 0);
  return (size_t)(rows * rf_step_state(s->hidden_size, sizeof(real))) * sizeof(real);
}

/* Whether the new h may be written over the old one, which no product reads any more. */
static inline int step_in_place(const struct step_plan *plan) { return CELL_PHASES > 1 || plan->strips == 1; }

INLINE void strip_run(const int phase, const int V, STEP_ROW, int64_t panel) {
  const struct step_plan *plan = s->packed;
  const int slot = CELL_PHASE[phase].slot, gates = CELL_PHASE[phase].gates;
  const int64_t unit = panel * VEC_LANES;
  const real *w = (const real *)s->packed + plan->before[phase] + plan->width[phase] * unit;
  const real *operand = phase == 0 ? h : scratch_operand(s, scratch);
  const struct strip_row row = {
      h, c, step_in_place(plan) ? h : scratch, c, scratch_operand(s, scratch), y, s->hidden_size};
  real *kept = scratch_gates(s, scratch) + unit * CELL_SLOTS;
  vec sums[STRIP_MOST * CELL_SLOTS];
  UNROLL for (int n = 0; n < V * CELL_SLOTS; n++) sums[n] = v_load((phase == 0 ? w : kept) + n * VEC_LANES);
  if (phase == 0) {
    const ptrdiff_t of_x = CELL_GATES * VEC_LANES;
    w += V * CELL_SLOTS * VEC_LANES;
    w = strip_multiply(V, CELL_GATES, 0, x, s->input_size, plan->part_x, w, V * of_x, of_x, sums);
  }
  const ptrdiff_t of_h = gates * VEC_LANES;
  strip_multiply(V, gates, slot, operand, s->hidden_size, plan->part_h, w, V * of_h, of_h, sums);
  strip_cell(phase, V, &row, unit, sums);
  if (phase + 1 < CELL_PHASES) {
    UNROLL for (int n = 0; n < V * CELL_SLOTS; n++) v_store(kept + n * VEC_LANES, sums[n]);
  }
}

typedef void strip_function(STEP_ROW, int64_t panel);

/* A function for every V, a constant, since only then does a compiler keep the sums in registers. */
#define STRIP_FUNCTION(P, V)                                                                                           \
  NOINLINE ALIGNED void strip_##P##_##V(STEP_ROW, int64_t panel) {                                                     \
    if (V <= STRIP_MOST) {                                                                                             \
      strip_run(P, V, STEP_ROW_PASSED, panel);                                                                         \
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

/* All strips of a phase, forwards or backwards. */
INLINE void step_phase(const int phase, STEP_ROW, int backwards) {
  const struct step_plan *plan = s->packed;
  int64_t panel = backwards ? plan->strips * plan->panels + plan->longer : 0;
  for (int64_t i = 0; i < plan->strips; i++) {
    const int64_t strip = backwards ? plan->strips - 1 - i : i, panels = plan->panels + (strip < plan->longer);
    if (backwards) panel -= panels;
    strip_family[phase][panels - 1](STEP_ROW_PASSED, panel);
    if (!backwards) panel += panels;
  }
}

/* Any number of rows and strips. */
NOINLINE void step_any(const struct rf_step *s, int64_t batch, const real *x, real *y, real *h, real *c, int64_t turn,
                       real *scratch) {
  for (const int64_t end = turn + batch; turn < end; turn++) {
    UNROLL for (int phase = 0; phase < CELL_PHASES; phase++) step_phase(phase, STEP_ROW_PASSED, turn & 1);
    for (int64_t unit = 0; unit < s->hidden_size && !step_in_place(s->packed); unit += VEC_LANES) {
      v_store(h + unit, v_load(scratch + unit));
    }
    x += s->x_stride;
    h += s->state_stride;
    if (y) y += s->y_stride;
    if (CELL_STATES > 1) c += s->state_stride;
  }
}

/* A small net is one strip, and notices every instruction before its first product, which is to overlap with the end of
 * the step before: both must fit into what a processor looks ahead. */
ALIGNED static void step_run(const struct rf_step *s, int64_t batch, const void *x, void *y, void *h, void *c,
                             int64_t turn, void *workspace) {
  const struct step_plan *plan = s->packed;
  if (CELL_PHASES == 1 && batch == 1 && plan->strips == 1) {
    strip_0[plan->panels - 1](s, x, y, h, c, workspace, 0);
  } else {
    step_any(s, batch, x, y, h, c, turn, workspace);
  }
}

#endif
