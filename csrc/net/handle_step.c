/* handle_step.c - a net's parts in turn on the rows of one step, which lie without gaps. */
#include "net/handle.h"

/* Layer after layer, each on the new state of the one below it. Returns where the next part's states begin. */
static char *step_layers(const rf_net *net, const struct rf_part *part, int64_t batch, const void *x, void *y, char *h,
                         int64_t turn, void *scratch) {
  const int32_t layers = part->problem.num_layers;
  const size_t layer_bytes = (size_t)(batch * part->step->step.state_stride) * net->size;
  char *c = h + (size_t)layers * layer_bytes;
  char *end = part->kernel->shape.states > 1 ? c + (size_t)layers * layer_bytes : c;
  for (int32_t l = 0; l < layers; l++, h += layer_bytes, c += layer_bytes) {
    const struct rf_step_layer *layer = &part->step[l];
    layer->calls.run(&layer->step, batch, x, l + 1 == layers ? y : NULL, h, c, turn, scratch);
    x = h;
  }
  return end;
}

/* A part for which there is nothing faster than a sequence of one step. */
static char *run_one(const rf_net *net, const struct rf_part *part, int64_t batch, const void *x, void *y, char *state,
                     void *scratch) {
  const rf_sequence one = {
      .steps = 1, .batch = batch, .x = x, .x_stride_b = part->inputs, .y = y, .y_stride_b = part->outputs};
  struct arena states = {state, 0};
  rf_part_run(net, part, &one, &states, (struct arena){scratch, 0});
  return state + states.used;
}

void rf_handle_step_parts(const rf_net *net, int64_t batch, const void *x, void *y, void *state, void *workspace) {
  struct arena arena = {workspace, 0}, head = {state, 0};
  int64_t *turn = rf_state_turn(&head);
  void *room[2];
  for (int i = 0; i < 2; i++) room[i] = take(&arena, batch * net->between, net->size);
  char *states = head.base + head.used, *scratch = arena.base + arena.used;
  for (int32_t n = 0; n < net->count; n++) {
    const struct rf_part *part = &net->part[n];
    void *to = n + 1 == net->count ? y : room[n % 2];
    if (part->step && batch < part->step_rows) {
      states = step_layers(net, part, batch, x, to, states, *turn, scratch);
    } else {
      states = run_one(net, part, batch, x, to, states, scratch);
    }
    x = to;
  }
  *turn += batch;
}
