/* cell.h - how a cell is written: the values its two functions see, and what its file defines.
 *
 * A cell's numbers per hidden unit stand in *slots*: the pre-activation of every gate, which forward turns into the
 * gate itself and backward into the gradient of the pre-activation, in place. Slots 0 .. CELL_GATES - 1 receive
 * W_ih x; further slots receive a recurrent sum that must stay apart from its gate's. A step runs in *phases*: each
 * adds W_hh times its operand (h for phase 0, what phase 0 computed for phase 1) to `gates` slots from `slot` on, then
 * calls cell_forward, stage by stage on several rows each, so that what one row must wait for overlaps with the others.
 * Backward runs the phases in reverse. A cell's file defines:
 *
 *   CELL_GATES, CELL_SLOTS, CELL_STATES (1: h; 2: h and c), CELL_PHASES, CELL_PHASE, CELL_STAGES
 *   CELL_GATE_X, CELL_GATE_H   slot -> row block of W_ih and of W_hh, in PyTorch's order of gates; -1: none
 *   CELL_PROJECTS              1: what the last phase leaves as h is the operand of one more product, whose result, with
 *                              W_hr, is h; 0, where a file says nothing: it is h itself
 *   cell_forward(phase, stage, slots, past, next)
 *       sets next->c in the first stage of every phase, after which past->c is gone, and in the last stage next->operand,
 *       or in the last phase next->h
 *   cell_backward(phase, slots, past, d)
 *       last phase first; in: d->h, d->c, the gradients of the new state. It leaves in d->h and d->c what reaches the
 *       old state without passing W_hh. In phase 0 of two, in: d->operand; out: the operand itself there and, in
 *       d->h_dropped, what reaches h through the operand. A cell with c also sets d->c_total. Of a cell that projects, in:
 *       d->h, the gradient of the operand of W_hr; out: d->operand, that operand itself. */
#ifndef RF_CELL_H_INCLUDED
#define RF_CELL_H_INCLUDED

#include RF_VEC_H

#include "system/compiler.h"

#ifndef CELL_PROJECTS
#define CELL_PROJECTS 0
#endif

struct phase {
  int slot, gates;
};

struct past {
  vec h;         /* state before the step */
  vec h_dropped; /* the same under recurrent dropout: what every product with W_hh sees */
  vec c;
  vec c_next; /* state after the step, for backward */
};

struct next {
  vec h, c, operand;
};

struct gradient {
  vec h, c, h_dropped, operand;
  vec c_total; /* of the new c, what comes through the new h included */
};

INLINE vec one_minus_square(vec a) { return v_fnma(a, a, v_set1(1)); }
INLINE vec logistic_slope(vec a) { return v_fnma(a, a, a); } /* a (1 - a) */

#endif
