/* handle_states.c - where the states of a net's rows lie, and how much memory its calls need. */
#include <string.h>

#include "net/handle.h"
#include "net/stack.h"

int rf_part_states(const rf_net *net, const struct rf_part *part, int64_t batch, struct arena *arena,
                   struct rf_state states[2]) {
  const rf_problem *p = &part->problem;
  const int count = part->kernel->shape.states;
  const void *const initial[] = {part->h0, part->c0};
  const int64_t layers = (int64_t)p->num_layers * p->num_directions;
  for (int i = 0; i < count; i++) {
    const int64_t size = i == 0 ? p->state_size : p->hidden_size, stride = rf_step_state(size, net->size);
    states[i] = (struct rf_state){
        .base = take(arena, layers * batch * stride, net->size),
        .initial = initial[i],
        .layers = layers,
        .row = (size_t)size * net->size,
        .stride = (size_t)stride * net->size,
    };
  }
  return count;
}

void rf_state_read(const struct rf_state *state, int64_t batch, void *to) {
  for (int64_t n = 0; n < state->layers * batch; n++) {
    memcpy((char *)to + (size_t)n * state->row, state->base + (size_t)n * state->stride, state->row);
  }
}

void rf_state_write(const struct rf_state *state, int64_t batch, const void *from) {
  for (int64_t n = 0; n < state->layers * batch; n++) {
    memcpy(state->base + (size_t)n * state->stride, (const char *)from + (size_t)n * state->row, state->row);
  }
}

const struct rf_part *rf_handle_part(const rf_net *net, int32_t number, int64_t batch, const void *memory,
                                     struct rf_state states[2]) {
  struct arena arena = {(char *)memory, 0};
  rf_state_turn(&arena);
  for (int32_t n = 0; n < net->count; n++) {
    const struct rf_part *part = &net->part[n];
    if (part->kind != RF_PART_LAYERS) continue;
    rf_part_states(net, part, batch, &arena, states);
    if (number-- == 0) return part;
  }
  return NULL;
}

/* Whether a net's states of so many rows could not be counted. */
static int too_large(const struct rf_part *part, int64_t batch) {
  const rf_problem *p = &part->problem;
  const double units = (double)p->hidden_size + 2 * RF_LINE;
  return 64.0 * (double)batch * units * (double)p->num_layers * p->num_directions > 1e15;
}

int32_t rf_handle_state_bytes(const rf_net *net, int64_t batch, size_t *bytes) {
  if (!rf_is_size(batch, 0)) return RF_ERROR_SHAPE;
  struct arena arena = {0};
  struct rf_state states[2];
  rf_state_turn(&arena);
  for (int32_t n = 0; n < net->count; n++) {
    if (net->part[n].kind != RF_PART_LAYERS) continue;
    if (too_large(&net->part[n], batch)) return RF_ERROR_SIZE;
    rf_part_states(net, &net->part[n], batch, &arena, states);
  }
  *bytes = arena.used;
  return RF_OK;
}

/* What the layers of a part need: their states without gaps, and a call's scratch. */
static int32_t layers_bytes(const rf_net *net, const struct rf_part *part, int64_t steps, int64_t batch,
                            size_t *bytes) {
  rf_problem p = part->problem;
  struct rf_state states[2];
  struct arena arena = {0}, state = {0};
  if (too_large(part, batch)) return RF_ERROR_SIZE;
  const int count = rf_part_states(net, part, batch, &state, states);
  for (int i = 0; i < count; i++) take(&arena, states[i].layers * batch, states[i].row);
  p.steps = p.t1 = steps;
  p.batch = batch;
  const int32_t status = rf_stack_workspace_most(part->kernel, &p, bytes);
  if (status != RF_OK) return status;
  *bytes += arena.used;
  for (int32_t l = 0; part->step && l < p.num_layers; l++) {
    const size_t step = part->step[l].calls.workspace_bytes(&part->step[l].step);
    if (step > *bytes) *bytes = step;
  }
  return RF_OK;
}

/* Two rows of what parts pass on for every row of every step, then whatever the part needs that needs most. */
int32_t rf_handle_workspace_bytes(const rf_net *net, int64_t steps, int64_t batch, size_t *bytes) {
  if (!rf_is_size(steps, 0) || !rf_is_size(batch, 0)) return RF_ERROR_SHAPE;
  if (4.0 * (double)steps * (double)batch * (double)net->between * (double)net->size > 4e18) return RF_ERROR_SIZE;
  struct arena arena = {0};
  size_t most = 0;
  for (int i = 0; i < 2; i++) take(&arena, steps * batch * net->between, net->size);
  for (int32_t n = 0; n < net->count; n++) {
    size_t scratch;
    if (net->part[n].kind != RF_PART_LAYERS) continue;
    const int32_t status = layers_bytes(net, &net->part[n], steps, batch, &scratch);
    if (status != RF_OK) return status;
    if (scratch > most) most = scratch;
  }
  *bytes = arena.used + most;
  return RF_OK;
}
