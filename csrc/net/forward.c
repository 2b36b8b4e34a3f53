/* forward.c - a net's forward: outputs passed on from layer to layer. */
#include <string.h>

#include "net/packed.h"
#include "net/stack.h"
#include "net/team.h"

static void forward_layer(const struct worker *worker, int32_t layer, int32_t d) {
  const struct net *net = &worker->call->net;
  const struct workspace *w = &worker->call->w;
  const rf_problem *p = net->p;
  const int last = layer == p->num_layers - 1;
  const int64_t rows = (int64_t)(layer * p->num_directions + d) * p->batch;
  struct arena packed = {p->packed ? (char *)p->packed : w->packed, 0};
  struct rf_layer l = rf_worker_layer(worker, layer, d);
  l.packed = rf_net_packed(net, &packed, layer, d);
  l.packs = !p->packed;
  l.h_n = rf_net_offset(net, p->h_n, rows * p->state_size);
  l.c_n = rf_net_offset(net, p->c_n, rows * p->hidden_size);
  if (layer > 0 && p->reserve) l.x = rf_net_kept(net, layer - 1, 0).states;
  if (layer > 0 && !p->reserve) l.x = from_step(net, w->passed[(layer - 1) % 2]);
  if (!last && !p->reserve) {
    l.states = from_step(net, w->passed[layer % 2]);
    l.states.base = rf_net_offset(net, l.states.base, d * net->state_row);
  }
  if (last) l.y = (struct rf_view){rf_net_offset(net, p->y, d * p->state_size), p->y_stride_t, p->y_stride_b};
  net->kernel->forward(&l);
}

static void forward_task(void *context, int32_t index, int32_t count) {
  const struct call *call = context;
  const rf_problem *p = call->net.p;
  struct worker worker = rf_worker_make(call, index, count);
  for (int32_t layer = 0; layer < p->num_layers && !p->packed; layer++) {
    for (int32_t d = 0; d < p->num_directions; d++) {
      struct rf_layer l = rf_worker_layer(&worker, layer, d);
      rf_net_pack_layer(&call->net, &l, layer, d, call->w.packed);
    }
  }
  if (count > 1 && !p->packed) rf_barrier_wait(call->w.barrier, count, 0);
  for (int32_t layer = 0; layer < p->num_layers; layer++) {
    for (int32_t d = 0; d < p->num_directions; d++) {
      forward_layer(&worker, layer, d);
      if (!rf_worker_goes_on(&worker)) return;
    }
  }
}

/* The gradients of held outputs wait in the reserve while backward goes from chunk to chunk, beginning with none. */
static void clear_held(const struct net *net) {
  const rf_problem *p = net->p;
  for (int32_t d = 0; d < p->num_directions; d++) {
    void *held = rf_net_kept(net, p->num_layers - 1, d).held;
    if (held) memset(held, 0, (size_t)(p->batch * net->state_row) * net->size);
  }
}

int32_t rf_stack_forward(const struct rf_kernel *kernel, const rf_problem *p) {
  struct call call = {.net = rf_net_make(kernel, p)};
  int32_t status = rf_packed_check(&call.net);
  if (status == RF_OK) status = rf_workspace_begin(&call.net, 0, &call.w);
  if (status != RF_OK) return status;
  clear_held(&call.net);
  rf_call_run(&call, forward_task);
  return RF_OK;
}
