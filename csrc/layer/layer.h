/* layer.h - one layer in one direction: the record that net/ fills in and the kernels work on.
 *
 * Internal arrays keep hidden units in blocks of 64 bytes, filled up with zeros. A row of gates is [block][slot][unit],
 * a row of states [block][unit]: the same on every instruction set, so that any kernel can go on with them. */
#ifndef RF_LAYER_H
#define RF_LAYER_H

#include <stddef.h>
#include <stdint.h>

#include "system/arena.h"
#include "system/cpu.h"
#include "system/barrier.h"
#include "vec/weight_types.h"

/* What net/ needs to know of a cell; cell/cell.h explains slots. */
struct rf_cell_shape {
  int32_t gates, slots, states, projects;
  const int *gate_x; /* slot -> gate in PyTorch's order, or -1 */
};

/* Rows [t][b] of numbers; strides count numbers. */
struct rf_view {
  void *base;
  int64_t stride_t, stride_b;
};

/* Where the state before a step comes from, when not from an earlier step. */
enum { RF_FROM_START = -1, RF_FROM_ZEROS = -2 };

/* The live ones among rows [row_from, row_to) of the steps [t0, t1), visit after visit: visit v is step t0 + v, or
 * t1 - 1 - v in reverse. */
struct rf_plan {
  int64_t t0, t1;
  int64_t row_from, row_to;
  int reverse;
  const int64_t *start; /* (t1 - t0 + 1,): visit v owns entries start[v] .. start[v + 1] - 1 */
  const int32_t *row; /* row of the batch, ascending within a visit */
  const int32_t *previous; /* step after which its state was last written, or RF_FROM_... */
  const int32_t *last; /* (B,), of its rows: the same for the final state */
};

static inline int64_t rf_plan_step(const struct rf_plan *plan, int64_t visit) {
  return plan->reverse ? plan->t1 - 1 - visit : plan->t0 + visit;
}

/* Dropout on a row of units: one mask per sequence, or a fresh one every step. Probability 0: off. */
struct rf_dropout {
  double probability;
  uint32_t tag;
  int every_step;
};

/* A layer is shared out by rows of the batch or by blocks of hidden units, but for weights and their gradients, by columns
 * of them. Every worker has a record of its own that differs in `plan` or units, `worker` and `scratch`. */
struct rf_layer {
  struct rf_plan plan; /* this worker's rows */
  struct rf_plan all; /* every row */
  int64_t unit_from, unit_to;   /* this worker's units */
  int64_t state_from, state_to; /* and numbers of h: the same, unless h is projected */
  int32_t worker, workers;
  int by_units; /* every step needs the others' units of the one before */
  int together; /* what a step leaves stands in shared memory: the call shares out units, if it has several workers */
  int left;     /* this worker has parted from the others, of whom worker 0 goes on alone */
  struct rf_barrier *barrier;

  int64_t steps, batch, input_size, hidden_size;
  int64_t state_size; /* numbers of h: hidden_size, or what it is projected to */
  int hold; /* y of a step that is not live repeats the last live output */
  uint64_t seed;
  int64_t first_row, first_step;
  struct rf_cache cache;
  struct rf_dropout input_dropout, recurrent_dropout;

  const void *weight_ih, *weight_hh, *bias_ih, *bias_hh, *weight_hr;
  void *packed; /* written by pack, read by forward */
  int32_t weights; /* the type that `packed` keeps them in, of vec/weight_types.h */
  int pairs; /* all products are those of numbers rounded to bfloat16, product/pairs.h; `weights` then is that type */
  int packs; /* this call rearranges the weights itself: those of a single product when that comes */

  struct rf_view x; /* rows of x_segments stretches of input_size / x_segments numbers */
  int64_t x_segments, x_stride;
  const void *h0, *c0; /* (B, state_size), (B, H) or NULL */
  void *h_n, *c_n;

  /* Kept for backward, or base = NULL. `states` is also what the layer above reads. */
  struct rf_view gates, states, cells;
  struct rf_view y; /* of the last layer, or base = NULL */

  /* Backward. */
  struct rf_view dy; /* base = NULL: zeros */
  void *held; /* (B, row) gradients on their way to the output they repeat, kept between chunks */
  int keep_reserve; /* gradients of gates and held ones go to scratch, and not into what forward left */
  const void *dh_n, *dc_n;
  struct rf_view dx; /* base = NULL: not wanted */
  int dx_first, dx_last; /* this direction writes dx rather than adds to it; it finishes it */
  void *dh0, *dc0;
  void *d_weight_ih, *d_weight_hh, *d_bias_ih, *d_bias_hh, *d_weight_hr;
  int overwrite; /* these, rather than add to them */
  double *norms; /* (T, ., 2) */
  int64_t norms_stride;

  void *scratch; /* of this worker, forward_bytes or backward_bytes */
  void *shared; /* of all workers, forward_shared_bytes or backward_shared_bytes */
};

/* Numbers from one row to the next of an internal array: whole lines, and an odd number of them where there are many,
 * because rows a power of two apart fall into the same few sets of a cache. */
static inline int64_t rf_row_stride(int64_t lines, size_t size) {
  if (lines >= 16 && lines % 2 == 0) lines++;
  return lines * (int64_t)(RF_LINE / size);
}

/* Where worker `worker` begins in `count` things dealt out evenly; it ends where the next begins. */
static inline int64_t rf_share(int64_t count, int32_t worker, int32_t workers) { return count * worker / workers; }

/* Waits for the other workers. Where units are shared out they may part there, since all else is in shared memory: worker
 * 0 then has all units, and the others have `left`. */
static inline void rf_layer_wait(struct rf_layer *l) {
  if (l->workers == 1 || !rf_barrier_wait(l->barrier, l->workers, l->by_units)) return;
  l->left = l->worker > 0;
  l->workers = 1;
  l->by_units = 0;
  l->unit_from = l->state_from = 0;
  l->unit_to = l->hidden_size;
  l->state_to = l->state_size;
}

/* Between what a worker leaves for the others within a step and their use of it. */
static inline void rf_units_wait(struct rf_layer *l) {
  if (l->by_units) rf_layer_wait(l);
}

/* Blocks of hidden units. */
static inline int64_t rf_blocks(int64_t units, size_t size) {
  const int64_t block = (int64_t)(RF_LINE / size);
  return (units + block - 1) / block;
}

/* Numbers that pack writes for one layer: its matrices, every unit's column filled up to whole blocks and lines, their
 * scales, and biases. Inputs come in `segments`, each of whole lines. */
static inline int64_t rf_packed_numbers(const struct rf_cell_shape *cell, int64_t segments, int64_t input,
                                        int64_t hidden, int64_t state, size_t size, int32_t weights) {
  const int64_t block = (int64_t)(RF_LINE / size), units = rf_blocks(hidden, size) * block;
  const int64_t scale = weights == RF_WEIGHT_I8, of_h = rf_weight_lines(state, weights) + scale;
  const int64_t of_x = segments * rf_weight_lines(input / segments, weights) + scale;
  const int64_t of_r = cell->projects ? rf_blocks(state, size) * block * (rf_weight_lines(hidden, weights) + scale) : 0;
  return units * (cell->gates * (of_x + of_h) + cell->slots) + of_r;
}

#endif
