/* backward.c - a net's backward: gradients passed on from layer to layer, the last one first. */
#include "net/stack.h"
#include "net/team.h"

static void backward_layer(const struct worker *worker, int32_t layer, int32_t d) {
  const struct net *net = &worker->call->net;
  const struct workspace *w = &worker->call->w;
  const rf_problem *p = net->p;
  const int64_t k = (int64_t)layer * p->num_directions + d, rows = k * p->batch;
  struct rf_layer l = rf_worker_layer(worker, layer, d);
  if (layer > 0) l.x = rf_net_kept(net, layer - 1, 0).states;
  l.dy = (struct rf_view){(void *)p->dy, p->dy_stride_t, p->dy_stride_b};
  if (layer < p->num_layers - 1) {
    l.dy = from_step(net, w->d_passed[layer % 2]);
    l.hold = 0; /* the layer above never read an output that is not live */
  }
  l.dy.base = rf_net_offset(net, l.dy.base, d * p->state_size);
  l.dx = (struct rf_view){p->dx, p->dx_stride_t, p->dx_stride_b};
  if (layer > 0) l.dx = from_step(net, w->d_passed[(layer - 1) % 2]);
  l.dx_first = rf_net_direction(p, d) == 0;
  l.dx_last = rf_net_direction(p, d) == rf_net_directions(p) - 1;
  l.dh_n = rf_net_offset(net, p->dh_n, rows * p->state_size);
  l.dc_n = rf_net_offset(net, p->dc_n, rows * p->hidden_size);
  l.dh0 = rf_net_offset(net, p->dh0, rows * p->state_size);
  l.dc0 = rf_net_offset(net, p->dc0, rows * p->hidden_size);
  l.overwrite = p->overwrite;
  l.d_weight_ih = p->d_weight_ih ? p->d_weight_ih[k] : NULL;
  l.d_weight_hh = p->d_weight_hh ? p->d_weight_hh[k] : NULL;
  l.d_bias_ih = p->d_bias_ih ? p->d_bias_ih[k] : NULL;
  l.d_bias_hh = p->d_bias_hh ? p->d_bias_hh[k] : NULL;
  l.d_weight_hr = p->d_weight_hr ? p->d_weight_hr[k] : NULL;
  net->kernel->backward(&l);
}

static void backward_task(void *context, int32_t index, int32_t count) {
  const struct call *call = context;
  const rf_problem *p = call->net.p;
  struct worker worker = rf_worker_make(call, index, count);
  for (int32_t layer = p->num_layers - 1; layer >= 0; layer--) {
    for (int32_t d = 0; d < p->num_directions; d++) {
      backward_layer(&worker, layer, d);
      if (!rf_worker_goes_on(&worker)) return;
    }
  }
}

int32_t rf_stack_backward(const struct rf_kernel *kernel, const rf_problem *p) {
  struct call call = {.net = rf_net_make(kernel, p)};
  const int32_t status = rf_workspace_begin(&call.net, 1, &call.w);
  if (status != RF_OK) return status;
  rf_call_run(&call, backward_task);
  return RF_OK;
}
