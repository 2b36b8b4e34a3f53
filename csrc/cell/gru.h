/* gru.h - gated recurrent unit with the reset gate after the recurrent product (cuDNN's and PyTorch's form).
 *
 * r, z = logistic(.);  n = tanh(W_in x + b_in + r q), q = W_hn h + b_hn;  h' = (1 - z) n + z h.  The recurrent sum of
 * the candidate stays apart in slot Q; backward leaves its gradient there. How cells are written: cell.h. */
#ifndef RF_CELL_CHOSEN
#define RF_CELL_CHOSEN

#include "cell/cell.h"
#include "system/compiler.h"
#include "vec/vmath.h"

#define CELL_GATES 3
#define CELL_SLOTS 4
#define CELL_STATES 1
#define CELL_PHASES 1
#define CELL_STAGES 2
#define CELL_PHASE0_GATES 3

enum { SLOT_N, SLOT_R, SLOT_Z, SLOT_Q };
static const struct phase CELL_PHASE[CELL_PHASES] = {{.slot = SLOT_R, .gates = CELL_PHASE0_GATES}};
static const int CELL_GATE_X[CELL_SLOTS] = {2, 0, 1, -1};
static const int CELL_GATE_H[CELL_SLOTS] = {-1, 0, 1, 2};

INLINE void cell_forward(int phase, int stage, vec *s, const struct past *past, struct next *next) {
  (void)phase;
  if (stage == 0) {
    s[SLOT_R] = v_logistic(s[SLOT_R]);
    s[SLOT_Z] = v_logistic(s[SLOT_Z]);
  } else {
    s[SLOT_N] = v_tanh(v_fma(s[SLOT_R], s[SLOT_Q], s[SLOT_N]));
    next->h = v_fma(s[SLOT_Z], v_sub(past->h, s[SLOT_N]), s[SLOT_N]);
  }
}

INLINE void cell_backward(int phase, vec *s, const struct past *past, struct gradient *d) {
  (void)phase;
  const vec n = s[SLOT_N], r = s[SLOT_R], z = s[SLOT_Z];
  const vec dn = v_mul(v_mul(d->h, v_sub(v_set1(1), z)), one_minus_square(n));
  s[SLOT_R] = v_mul(v_mul(dn, s[SLOT_Q]), logistic_slope(r));
  s[SLOT_Z] = v_mul(v_mul(d->h, v_sub(past->h, n)), logistic_slope(z));
  s[SLOT_N] = dn;
  s[SLOT_Q] = v_mul(dn, r);
  d->h = v_mul(d->h, z);
}

#endif
