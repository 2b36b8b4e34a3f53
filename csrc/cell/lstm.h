/* lstm.h - long short-term memory (Hochreiter and Schmidhuber 1997; forget gate: Gers et al. 2000).
 *
 * i, f, o = logistic(.), g = tanh(.);  c' = f c + i g;  h' = o tanh(c').  How cells are written: cell.h. */
#ifndef RF_CELL_CHOSEN
#define RF_CELL_CHOSEN

#include "cell/cell.h"
#include "system/compiler.h"
#include "vec/vmath.h"

#define CELL_GATES 4
#define CELL_SLOTS 4
#define CELL_STATES 2
#define CELL_PHASES 1
#define CELL_STAGES 2
#define CELL_PHASE0_GATES 4

enum { SLOT_I, SLOT_F, SLOT_G, SLOT_O };
static const struct phase CELL_PHASE[CELL_PHASES] = {{.slot = SLOT_I, .gates = CELL_PHASE0_GATES}};
static const int CELL_GATE_X[CELL_SLOTS] = {0, 1, 2, 3};
static const int CELL_GATE_H[CELL_SLOTS] = {0, 1, 2, 3};

INLINE void cell_forward(int phase, int stage, vec *s, const struct past *past, struct next *next) {
  (void)phase;
  if (stage == 0) {
    s[SLOT_I] = v_logistic(s[SLOT_I]);
    s[SLOT_F] = v_logistic(s[SLOT_F]);
    s[SLOT_G] = v_tanh(s[SLOT_G]);
    next->c = v_fma(s[SLOT_F], past->c, v_mul(s[SLOT_I], s[SLOT_G]));
  } else {
    s[SLOT_O] = v_logistic(s[SLOT_O]);
    next->h = v_mul(s[SLOT_O], v_tanh(next->c));
  }
}

INLINE void cell_backward(int phase, vec *s, const struct past *past, struct gradient *d) {
  (void)phase;
  const vec i = s[SLOT_I], f = s[SLOT_F], g = s[SLOT_G], o = s[SLOT_O];
  const vec tanh_c = v_tanh(past->c_next);
  const vec dc = v_fma(v_mul(d->h, o), one_minus_square(tanh_c), d->c);
  s[SLOT_I] = v_mul(v_mul(dc, g), logistic_slope(i));
  s[SLOT_F] = v_mul(v_mul(dc, past->c), logistic_slope(f));
  s[SLOT_G] = v_mul(v_mul(dc, i), one_minus_square(g));
  s[SLOT_O] = v_mul(v_mul(d->h, tanh_c), logistic_slope(o));
  d->operand = v_mul(o, tanh_c);
  d->c_total = dc;
  d->c = v_mul(dc, f);
  d->h = v_set1(0);
}

#endif
