/* gru_before.h - the original gated recurrent unit, its reset gate before the recurrent product (Cho et al. 2014).
 *
 * r, z = logistic(.);  n = tanh(W_in x + b_in + W_hn (r h) + b_hn);  h' = (1 - z) n + z h.  Phase 0 finds r, z and the
 * operand r h, phase 1 the candidate. How cells are written: cell.h. */
#ifndef RF_CELL_CHOSEN
#define RF_CELL_CHOSEN

#include "cell/cell.h"
#include "system/compiler.h"
#include "vec/vmath.h"

#define CELL_GATES 3
#define CELL_SLOTS 3
#define CELL_STATES 1
#define CELL_PHASES 2
#define CELL_STAGES 1
#define CELL_PHASE0_GATES 2
#define CELL_PHASE1_GATES 1

enum { SLOT_N, SLOT_R, SLOT_Z };
static const struct phase CELL_PHASE[CELL_PHASES] = {{.slot = SLOT_R, .gates = CELL_PHASE0_GATES},
                                                     {.slot = SLOT_N, .gates = CELL_PHASE1_GATES}};
static const int CELL_GATE_X[CELL_SLOTS] = {2, 0, 1};
static const int CELL_GATE_H[CELL_SLOTS] = {2, 0, 1};

INLINE void cell_forward(int phase, int stage, vec *s, const struct past *past, struct next *next) {
  (void)stage;
  if (phase == 0) {
    s[SLOT_R] = v_logistic(s[SLOT_R]);
    s[SLOT_Z] = v_logistic(s[SLOT_Z]);
    next->operand = v_mul(s[SLOT_R], past->h_dropped);
  } else {
    s[SLOT_N] = v_tanh(s[SLOT_N]);
    next->h = v_fma(s[SLOT_Z], v_sub(past->h, s[SLOT_N]), s[SLOT_N]);
  }
}

INLINE void cell_backward(int phase, vec *s, const struct past *past, struct gradient *d) {
  const vec n = s[SLOT_N], r = s[SLOT_R], z = s[SLOT_Z];
  if (phase == 1) {
    s[SLOT_N] = v_mul(v_mul(d->h, v_sub(v_set1(1), z)), one_minus_square(n));
    s[SLOT_Z] = v_mul(v_mul(d->h, v_sub(past->h, n)), logistic_slope(z));
    d->h = v_mul(d->h, z);
  } else {
    const vec d_operand = d->operand;
    d->operand = v_mul(r, past->h_dropped); /* again, for the weights' gradient: forward did not keep it */
    d->h_dropped = v_mul(d_operand, r);
    s[SLOT_R] = v_mul(v_mul(d_operand, past->h_dropped), logistic_slope(r));
  }
}

#endif
