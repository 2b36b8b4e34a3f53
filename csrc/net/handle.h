/* handle.h - an rf_net: a chain of parts, made once, with everything that depends on sizes alone. */
#ifndef RF_HANDLE_H
#define RF_HANDLE_H

#include <stddef.h>
#include <stdint.h>

#include "head/head.h"
#include "include/rnnfast.h"
#include "kernel.h"
#include "layer/step.h"
#include "system/arena.h"

static inline int rf_is_size(int64_t n, int64_t least) { return n >= least && n <= INT32_MAX; }

/* Kinds of part: those of rf_head_part, and these. */
enum { RF_PART_LAYERS = RF_HEAD_LOG_SOFTMAX + 1, RF_PART_EMBEDDING };

/* What a part is made from. */
struct rf_part_spec {
  int32_t kind;
  const struct rf_kernel *kernel; /* of layers, whose record names sizes, parameters and initial states */
  const struct rf_kernel *narrow; /* the same on vectors half as wide, or NULL */
  rf_problem problem;
  int64_t inputs, outputs;   /* of a linear layer; an embedding's entries and the numbers of each */
  const void *weight, *bias; /* bias may be NULL */
};

/* One layer for steps. */
struct rf_step_layer {
  struct rf_step step;
  struct rf_step_calls calls; /* of the kernel that is best for them */
  size_t state_bytes; /* of a row */
};

struct rf_part {
  int32_t kind;
  int64_t inputs, outputs; /* numbers of a row */
  const struct rf_kernel *kernel;
  rf_problem problem; /* all of a call's record but for what comes with the call */
  const void *h0, *c0; /* (L*D, H), or NULL: zeros */
  struct rf_step_layer *step; /* layer after layer; NULL where a direction is reverse, or h projected */
  int64_t step_rows;    /* of a batch, from which on the general call is faster */
  struct rf_linear linear;
  const void *table; /* (entries, outputs) */
  int64_t entries;
};

struct rf_net {
  int32_t dtype, isa, num_threads;
  int32_t count, recurrent, steps_alone;
  const struct rf_step_layer *only; /* the layer that is all of the net, for batches of less than only_rows, or NULL */
  int64_t only_rows; /* 0: none */
  size_t size; /* bytes of a number */
  const struct rf_head *head;
  int64_t between; /* numbers of the widest row that one part passes on to the next */
  struct rf_part *part;
};

/* Makes a net of parts, each with its kernel, checked but for whether they fit each other. Everything is copied. */
int32_t rf_handle_make(const struct rf_part_spec *spec, int32_t count, int32_t isa, int32_t num_threads,
                       const struct rf_head *head, rf_net **net);

/* One state of a part of layers, h or c: for every layer, direction and row of the batch `row` bytes, `stride` apart, with
 * zeros behind them: whole lines, as kernels have states. */
struct rf_state {
  char *base;
  const char *initial; /* what a row begins with, layer after layer; NULL: zeros */
  int64_t layers; /* and directions */
  size_t row, stride;
};

/* h and, of cells that have it, c, in the memory that `arena` has for a net's states. Returns how many there are. */
int rf_part_states(const rf_net *net, const struct rf_part *part, int64_t batch, struct arena *arena,
                   struct rf_state states[2]);

static inline char *rf_state_row(const struct rf_state *state, int64_t batch, int64_t layer, int64_t b) {
  return state->base + (size_t)(layer * batch + b) * state->stride;
}

/* Between there and (layers, batch, numbers of the state) without gaps. */
void rf_state_read(const struct rf_state *state, int64_t batch, void *to);
void rf_state_write(const struct rf_state *state, int64_t batch, const void *from);

/* The part of layers of that number, or NULL, and its states in `memory`. */
const struct rf_part *rf_handle_part(const rf_net *net, int32_t number, int64_t batch, const void *memory,
                                     struct rf_state states[2]);

/* The bytes that these calls need; RF_ERROR_SHAPE, RF_ERROR_SIZE. */
int32_t rf_handle_state_bytes(const rf_net *net, int64_t batch, size_t *bytes);
int32_t rf_handle_workspace_bytes(const rf_net *net, int64_t steps, int64_t batch, size_t *bytes);

/* The parts in turn. A part of layers takes its states from `state` and moves it on to the next one's. */
void rf_handle_run(const rf_net *net, const rf_sequence *sequence);

/* What a state begins with, before the states of the parts: how many rows made a step, by which kernels know in which
 * order to go through their weights. */
static inline int64_t *rf_state_turn(struct arena *state) { return take(state, 1, sizeof(int64_t)); }

void rf_handle_step_parts(const rf_net *net, int64_t batch, const void *x, void *y, void *state, void *workspace);

/* A net of one layer goes straight to its step: what other nets need would take as long as a tenth of a small one's. */
static inline void rf_handle_step(const rf_net *net, int64_t batch, const void *x, void *y, void *state,
                                  void *workspace) {
  if (batch >= net->only_rows) {
    rf_handle_step_parts(net, batch, x, y, state, workspace);
    return;
  }
  struct arena memory = {state, 0};
  int64_t *turn = rf_state_turn(&memory), before = *turn;
  char *h = memory.base + memory.used;
  *turn = before + batch;
  net->only->calls.run(&net->only->step, batch, x, y, h, h + (size_t)batch * net->only->state_bytes, before, workspace);
}

/* One part on a sequence, whose x, y and strides are the part's, in what of the workspace is left for it. */
void rf_part_run(const rf_net *net, const struct rf_part *part, const rf_sequence *sequence, struct arena *state,
                 struct arena scratch);

#endif
