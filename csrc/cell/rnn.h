/* rnn.h - the simple recurrent cell (Elman 1990), h' = f(.); the file that includes it defines f and its slope.
 *
 * ACTIVATION(a): f. ACTIVATION_GRADIENT(d, h): d times the slope of f, from h = f(a). How cells are written: cell.h. */
#ifndef RF_CELL_CHOSEN
#define RF_CELL_CHOSEN

#include "cell/cell.h"
#include "system/compiler.h"
#include "vec/vmath.h"

#define CELL_GATES 1
#define CELL_SLOTS 1
#define CELL_STATES 1
#define CELL_PHASES 1
#define CELL_STAGES 1
#define CELL_PHASE0_GATES 1

static const struct phase CELL_PHASE[CELL_PHASES] = {{.slot = 0, .gates = CELL_PHASE0_GATES}};
static const int CELL_GATE_X[CELL_SLOTS] = {0};
static const int CELL_GATE_H[CELL_SLOTS] = {0};

INLINE void cell_forward(int phase, int stage, vec *s, const struct past *past, struct next *next) {
  (void)phase, (void)stage, (void)past;
  s[0] = ACTIVATION(s[0]);
  next->h = s[0];
}

INLINE void cell_backward(int phase, vec *s, const struct past *past, struct gradient *d) {
  (void)phase, (void)past;
  s[0] = ACTIVATION_GRADIENT(d->h, s[0]);
  d->h = v_set1(0);
}

#endif
