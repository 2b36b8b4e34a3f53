/* step_pack.h - the parameters of a layer, rearranged for its steps: strips of panels, each read from front to back. */
#ifndef RF_STEP_PACK_H
#define RF_STEP_PACK_H

#include <stdint.h>
#include RF_VEC_H
#include RF_CELL_H
#include "layer/pack.h"
#include "layer/rows.h"
#include "layer/step.h"
#include "layer/strip.h"
#include "product/summation.h"
#include "product/tile.h"
#include "system/arena.h"
#include "system/cpu.h"

/* A strip is one row by as many panels as registers hold sums of, and its weights lie in the order of their use. For phase
 * after phase and strip after strip: the bias of every slot (phase 0), then for every number of x (phase 0) and of the
 * phase's operand a vector of each panel's gates.
 *
 * Panels of a strip where weights are more than twice what L1 holds: as few as keep multiply-adds busy, because the strips
 * that come next, in opposite order, are still there only if they fit whole. */
#define STRIP_FEW_SUMS (VEC_REGISTERS == 32 ? 4 : 8)
#define STRIP_FEW (STRIP_FEW_SUMS / CELL_GATES > 1 ? STRIP_FEW_SUMS / CELL_GATES : 1)

/* What stands before the weights: how panels are dealt to strips, evenly, and how rows of x and h are cut into parts. */
struct step_plan {
  int64_t strips, panels, longer; /* of `panels` each, the first `longer` of one more */
  int64_t part_x, part_h, numbers;
  int64_t before[CELL_PHASES], width[CELL_PHASES]; /* numbers before a phase's weights, and its numbers for a unit */
};

#define STEP_PLAN_NUMBERS ((int64_t)((sizeof(struct step_plan) + RF_LINE - 1) / RF_LINE * UNITS))

static struct step_plan step_plan_make(const struct rf_step *s) {
  const int64_t panels = (s->hidden_size + VEC_LANES - 1) / VEC_LANES;
  const int64_t weights = CELL_GATES * panels * VEC_LANES * (s->input_size + s->hidden_size);
  const int64_t most = weights * (int64_t)sizeof(real) > 2 * rf_cpu_cache(1) ? STRIP_FEW : STRIP_MOST;
  const int64_t strips = (panels + most - 1) / most;
  struct step_plan plan = {.strips = strips, .panels = panels / strips, .longer = panels % strips};
  plan.part_x = sum_part(s->input_size);
  plan.part_h = sum_part(s->hidden_size);
  int64_t before = STEP_PLAN_NUMBERS;
  for (int p = 0; p < CELL_PHASES; p++) {
    plan.before[p] = before;
    plan.width[p] = CELL_PHASE[p].gates * s->hidden_size;
    if (p == 0) plan.width[p] += CELL_SLOTS + CELL_GATES * s->input_size;
    before += panels * VEC_LANES * plan.width[p];
  }
  plan.numbers = before;
  return plan;
}

static size_t step_bytes(const struct rf_step *s) { return (size_t)step_plan_make(s).numbers * sizeof(real); }

/* A strip's vectors for every number of a row. Returns where the next ones go. */
static real *step_pack_matrix(struct weights w, int64_t first, int64_t panels, real *to) {
  for (int64_t k = 0; k < w.columns; k++) {
    for (int64_t panel = first; panel < first + panels; panel++) {
      for (int g = 0; g < w.gates; g++) {
        for (int64_t unit = panel * VEC_LANES; unit < (panel + 1) * VEC_LANES; unit++) {
          *to++ = unit < w.hidden ? w.base[(w.gate[g] * w.hidden + unit) * w.columns + k] : 0;
        }
      }
    }
  }
  return to;
}

static real *step_pack_bias(const struct rf_step *s, int64_t first, int64_t panels, real *to) {
  for (int64_t panel = first; panel < first + panels; panel++) {
    for (int slot = 0; slot < CELL_SLOTS; slot++) {
      v_store(to, biases(s->bias_ih, s->bias_hh, s->hidden_size, slot, panel * VEC_LANES));
      to += VEC_LANES;
    }
  }
  return to;
}

static void step_pack(const struct rf_step *s) {
  const struct rf_layer l = {
      .input_size = s->input_size,
      .hidden_size = s->hidden_size,
      .state_size = s->hidden_size,
      .weight_ih = s->weight_ih,
      .weight_hh = s->weight_hh,
  };
  const struct step_plan plan = step_plan_make(s);
  memcpy(s->packed, &plan, sizeof plan);
  real *to = (real *)s->packed + STEP_PLAN_NUMBERS;
  for (int phase = 0; phase < CELL_PHASES; phase++) {
    for (int64_t strip = 0, first = 0, panels; strip < plan.strips; strip++, first += panels) {
      panels = plan.panels + (strip < plan.longer);
      if (phase == 0) to = step_pack_bias(s, first, panels, to);
      if (phase == 0) to = step_pack_matrix(input_weights(&l), first, panels, to);
      to = step_pack_matrix(state_weights(&l, phase), first, panels, to);
    }
  }
}

#endif
