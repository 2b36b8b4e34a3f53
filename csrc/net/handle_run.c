/* handle_run.c - a net's parts in turn, each on what the one before it gives. */
#include <math.h>
#include <string.h>

#include "net/handle.h"
#include "net/stack.h"

/* Rows whose places are written down at once. */
enum { SOME_ROWS = 64 };

static void run_layers(const rf_net *net, const struct rf_part *part, const rf_sequence *s, struct arena *state,
                       struct arena scratch) {
  struct rf_state states[2];
  void *dense[2] = {0};
  const int count = rf_part_states(net, part, s->batch, state, states);
  for (int i = 0; i < count; i++) {
    dense[i] = take(&scratch, states[i].layers * s->batch, states[i].row);
    rf_state_read(&states[i], s->batch, dense[i]);
  }
  rf_problem p = part->problem;
  p.steps = p.t1 = s->steps;
  p.batch = s->batch;
  p.x = s->x;
  p.x_stride_t = s->x_stride_t;
  p.x_stride_b = s->x_stride_b;
  p.y = s->y;
  p.y_stride_t = s->y_stride_t;
  p.y_stride_b = s->y_stride_b;
  p.h0 = p.h_n = dense[0];
  p.c0 = p.c_n = dense[1];
  p.lengths = s->lengths;
  p.mask = s->mask;
  p.resets = s->resets;
  p.workspace = scratch.base + scratch.used;
  rf_stack_forward(part->kernel, &p);
  for (int i = 0; i < count; i++) rf_state_write(&states[i], s->batch, dense[i]);
}

/* An index that the table does not have gives a row of NaN. */
static void look_up(const rf_net *net, const struct rf_part *part, const int64_t *index, void *y) {
  if (*index >= 0 && *index < part->entries) {
    const size_t row = (size_t)part->outputs * net->size;
    memcpy(y, (const char *)part->table + (size_t)*index * row, row);
    return;
  }
  for (int64_t i = 0; i < part->outputs; i++) {
    if (net->dtype == RF_F32) {
      ((float *)y)[i] = NAN;
    } else {
      ((double *)y)[i] = NAN;
    }
  }
}

static void run_some(const rf_net *net, const struct rf_part *part, const void *const *x, void *const *y,
                     int64_t rows) {
  if (part->kind == RF_HEAD_LINEAR) {
    net->head->linear(&part->linear, x, y, rows);
    return;
  }
  for (int64_t r = 0; r < rows; r++) {
    if (part->kind == RF_PART_EMBEDDING) {
      look_up(net, part, x[r], y[r]);
    } else {
      net->head->activation[part->kind - RF_HEAD_TANH](part->outputs, x[r], y[r]);
    }
  }
}

/* A part that treats every row alone. */
static void run_rows(const rf_net *net, const struct rf_part *part, const rf_sequence *s) {
  const size_t item = part->kind == RF_PART_EMBEDDING ? sizeof(int64_t) : net->size;
  const void *from[SOME_ROWS];
  void *to[SOME_ROWS];
  int64_t rows = 0;
  for (int64_t t = 0; t < s->steps; t++) {
    for (int64_t b = 0; b < s->batch; b++) {
      from[rows] = (const char *)s->x + (t * s->x_stride_t + b * s->x_stride_b) * (int64_t)item;
      to[rows++] = (char *)s->y + (t * s->y_stride_t + b * s->y_stride_b) * (int64_t)net->size;
      if (rows < SOME_ROWS && (t + 1 < s->steps || b + 1 < s->batch)) continue;
      run_some(net, part, from, to, rows);
      rows = 0;
    }
  }
}

void rf_part_run(const rf_net *net, const struct rf_part *part, const rf_sequence *s, struct arena *state,
                 struct arena scratch) {
  if (part->kind == RF_PART_LAYERS) {
    run_layers(net, part, s, state, scratch);
  } else {
    run_rows(net, part, s);
  }
}

void rf_handle_run(const rf_net *net, const rf_sequence *s) {
  struct arena state = {s->state, 0}, scratch = {s->workspace, 0};
  rf_state_turn(&state);
  void *room[2];
  for (int i = 0; i < 2; i++) room[i] = take(&scratch, s->steps * s->batch * net->between, net->size);
  rf_sequence now = *s;
  for (int32_t n = 0; n < net->count; n++) {
    const struct rf_part *part = &net->part[n];
    const int last = n + 1 == net->count;
    now.y = last ? s->y : room[n % 2];
    now.y_stride_t = last ? s->y_stride_t : s->batch * part->outputs;
    now.y_stride_b = last ? s->y_stride_b : part->outputs;
    rf_part_run(net, part, &now, &state, scratch);
    now.x = now.y;
    now.x_stride_t = now.y_stride_t;
    now.x_stride_b = now.y_stride_b;
  }
}
