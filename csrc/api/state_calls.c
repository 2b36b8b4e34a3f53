/* state_calls.c - the public calls on the states of a net's rows: begun, copied, read, written. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "include/rnnfast.h"
#include "net/handle.h"

static void reset_rows(const struct rf_state *state, int64_t batch, const uint8_t *rows) {
  for (int64_t layer = 0; layer < state->layers; layer++) {
    for (int64_t b = 0; b < batch; b++) {
      if (rows && !rows[b]) continue;
      char *row = rf_state_row(state, batch, layer, b);
      memset(row, 0, state->stride);
      if (state->initial) memcpy(row, state->initial + (size_t)layer * state->row, state->row);
    }
  }
}

int32_t rf_net_state_reset(const rf_net *net, int64_t batch, void *state, const uint8_t *rows) {
  if (net == NULL || state == NULL) return RF_ERROR_NULL;
  if (batch < 0) return RF_ERROR_SHAPE;
  struct arena arena = {state, 0};
  int64_t *turn = rf_state_turn(&arena);
  if (!rows) *turn = 0;
  for (int32_t n = 0; n < net->count; n++) {
    if (net->part[n].kind != RF_PART_LAYERS) continue;
    struct rf_state states[2];
    const int count = rf_part_states(net, &net->part[n], batch, &arena, states);
    for (int i = 0; i < count; i++) reset_rows(&states[i], batch, rows);
  }
  return RF_OK;
}

/* Whether a batch has these rows; no difference of two numbers that are not negative overflows. */
static int are_rows(int64_t batch, int64_t first, int64_t count) {
  return batch >= 0 && first >= 0 && count >= 0 && first <= batch && count <= batch - first;
}

int32_t rf_net_state_copy(const rf_net *net, int64_t from_batch, const void *from, int64_t from_row, int64_t to_batch,
                          void *to, int64_t to_row, int64_t count) {
  if (net == NULL || from == NULL || to == NULL) return RF_ERROR_NULL;
  if (!are_rows(from_batch, from_row, count) || !are_rows(to_batch, to_row, count)) return RF_ERROR_RANGE;
  struct arena from_arena = {(char *)from, 0}, to_arena = {to, 0};
  rf_state_turn(&from_arena);
  rf_state_turn(&to_arena);
  for (int32_t n = 0; n < net->count; n++) {
    const struct rf_part *part = &net->part[n];
    if (part->kind != RF_PART_LAYERS) continue;
    struct rf_state source[2], target[2];
    const int states = rf_part_states(net, part, from_batch, &from_arena, source);
    rf_part_states(net, part, to_batch, &to_arena, target);
    for (int i = 0; i < states; i++) {
      for (int64_t layer = 0; layer < source[i].layers; layer++) {
        memmove(rf_state_row(&target[i], to_batch, layer, to_row),
                rf_state_row(&source[i], from_batch, layer, from_row), (size_t)count * source[i].stride);
      }
    }
  }
  return RF_OK;
}

/* The states of one part; RF_ERROR_NULL, RF_ERROR_SHAPE, RF_ERROR_RANGE. */
static int32_t part_states(const rf_net *net, int32_t part, int64_t batch, const void *state, struct rf_state states[2],
                           int *count) {
  *count = 0;
  if (net == NULL || state == NULL) return RF_ERROR_NULL;
  if (batch < 0) return RF_ERROR_SHAPE;
  const struct rf_part *found = part < 0 ? NULL : rf_handle_part(net, part, batch, state, states);
  if (found == NULL) return RF_ERROR_RANGE;
  *count = found->kernel->shape.states;
  return RF_OK;
}

int32_t rf_net_state_read(const rf_net *net, int32_t part, int64_t batch, const void *state, void *h, void *c) {
  struct rf_state states[2];
  int count;
  void *const to[2] = {h, c};
  const int32_t status = part_states(net, part, batch, state, states, &count);
  for (int i = 0; i < count; i++) {
    if (to[i]) rf_state_read(&states[i], batch, to[i]);
  }
  return status;
}

int32_t rf_net_state_write(const rf_net *net, int32_t part, int64_t batch, void *state, const void *h, const void *c) {
  struct rf_state states[2];
  int count;
  const void *const from[2] = {h, c};
  const int32_t status = part_states(net, part, batch, state, states, &count);
  for (int i = 0; i < count; i++) {
    if (from[i]) rf_state_write(&states[i], batch, from[i]);
  }
  return status;
}
