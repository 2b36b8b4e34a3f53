/* stack.c - runs a net: shares each layer out to threads, and passes outputs and gradients from layer to layer. */
#include "stack.h"

#include <string.h>

#include "net.h"
#include "plan.h"

/* What the workspace holds. Behind it, each worker has `own_bytes`: the plans of its rows, then its layers' scratch. */
struct workspace {
  void *packed;               /* all layers' panels, where they are packed anew */
  struct rf_view passed[2];   /* inference: what one layer passes on to the next, in turn */
  struct rf_view d_passed[2]; /* backward: the gradient of that */
  struct rf_barrier *barrier;
  char *own;
  void *shared;
  size_t own_bytes;
};

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static void plans_make(const struct net *net, int64_t from, int64_t to, struct arena *arena, struct rf_plan *plans) {
  for (int32_t d = 0; d < net->p->num_directions; d++) {
    plans[d] = rf_plan_make(net->p, net_direction(net->p, d), from, to, arena);
  }
}

static struct workspace workspace_make(struct net *net, struct arena *arena, int backward) {
  const rf_problem *p = net->p;
  struct workspace w = {.barrier = take(arena, 1, sizeof(struct rf_barrier))};
  plans_make(net, 0, p->batch, arena, net->plan);
  if (!p->packed) {
    struct arena packed = {0};
    net_packed(net, &packed, p->num_layers, 0);
    w.packed = take(arena, (int64_t)packed.used, 1);
  }
  for (int i = 0; i < 2 && i < p->num_layers - 1; i++) {
    if (!p->reserve) w.passed[i] = net_view(net, arena, net->visits, p->num_directions * net->state_row);
    if (backward) w.d_passed[i] = net_view(net, arena, net->visits, p->num_directions * p->hidden_size);
  }
  struct arena own = {0};
  struct rf_plan plans[2];
  size_t scratch = 0, shared = 0;
  plans_make(net, 0, p->batch, &own, plans);
  for (int32_t layer = 0; layer < p->num_layers; layer++) {
    const struct rf_layer l = net_layer(net, layer, 0);
    scratch = larger(scratch, net->kernel->forward_bytes(&l));
    if (backward) scratch = larger(scratch, net->kernel->backward_bytes(&l));
    shared = larger(shared, net->kernel->forward_shared_bytes(&l));
    if (backward) shared = larger(shared, net->kernel->backward_shared_bytes(&l));
  }
  w.own_bytes = own.used + scratch;
  w.own = take(arena, net->workers, w.own_bytes);
  w.shared = take(arena, (int64_t)shared, 1);
  return w;
}

int32_t rf_stack_reserve_bytes(const struct rf_kernel *kernel, const rf_problem *p, size_t *bytes) {
  if (net_too_large(kernel, p)) return RF_ERROR_SIZE;
  const struct net net = net_make(kernel, p);
  struct arena arena = {0};
  net_reserve(&net, &arena, 0, 0);
  *bytes = arena.used;
  return RF_OK;
}

int32_t rf_stack_workspace_bytes(const struct rf_kernel *kernel, const rf_problem *p, size_t *bytes) {
  if (net_too_large(kernel, p)) return RF_ERROR_SIZE;
  struct net net = net_make(kernel, p);
  struct arena arena = {0};
  workspace_make(&net, &arena, p->reserve != NULL);
  *bytes = arena.used;
  return RF_OK;
}

int32_t rf_stack_packed_bytes(const struct rf_kernel *kernel, const rf_problem *p, size_t *bytes) {
  if (net_too_large(kernel, p)) return RF_ERROR_SIZE;
  const struct net net = net_make(kernel, p);
  struct arena arena = {0};
  net_packed(&net, &arena, p->num_layers, 0);
  *bytes = arena.used;
  return RF_OK;
}

/* A call in progress: what all its workers see. */
struct call {
  struct net net;
  struct workspace w;
};

/* One worker of a call, with the plans of its rows. */
struct worker {
  const struct call *call;
  struct rf_plan plan[2];
  void *scratch;
  int32_t index, count;
};

static struct worker worker_make(const struct call *call, int32_t index, int32_t count) {
  struct worker worker = {.call = call, .index = index, .count = count};
  const int64_t batch = call->net.p->batch;
  struct arena arena = {call->w.own + (size_t)index * call->w.own_bytes, 0};
  memcpy(worker.plan, call->net.plan, sizeof worker.plan);
  if (count > 1 && !call->net.by_units) {
    plans_make(&call->net, rf_share(batch, index, count), rf_share(batch, index + 1, count), &arena, worker.plan);
  }
  worker.scratch = arena.base + arena.used;
  return worker;
}

static struct rf_layer worker_layer(const struct worker *worker, int32_t layer, int32_t d) {
  struct rf_layer l = net_layer(&worker->call->net, layer, d);
  l.plan = worker->plan[d];
  l.worker = worker->index;
  l.workers = worker->count;
  l.by_units = worker->call->net.by_units && worker->count > 1;
  if (l.by_units) {
    const int64_t blocks = rf_blocks(l.hidden_size, worker->call->net.size);
    const int64_t block = (int64_t)(RF_LINE / worker->call->net.size);
    l.unit_from = rf_share(blocks, l.worker, l.workers) * block;
    if (l.worker + 1 < l.workers) l.unit_to = rf_share(blocks, l.worker + 1, l.workers) * block;
  }
  l.packs = 1;
  l.barrier = worker->call->w.barrier;
  l.scratch = worker->scratch;
  l.shared = worker->call->w.shared;
  return l;
}

/* Memory of steps [t0, t1) only, to be indexed by a step's own number. */
static struct rf_view from_step(const struct net *net, struct rf_view view) {
  view.base = net_offset(net, view.base, -net->p->t0 * view.stride_t);
  return view;
}

static void pack_layer(const struct net *net, struct rf_layer *l, int32_t layer, int32_t d, void *packed) {
  struct arena arena = {packed, 0};
  l->packed = net_packed(net, &arena, layer, d);
  net->kernel->pack(l);
}

int32_t rf_stack_pack(const struct rf_kernel *kernel, const rf_problem *p, void *packed) {
  const struct net net = net_make(kernel, p);
  const struct packed_header header = net_packed_header(&net);
  memcpy(packed, &header, sizeof header);
  for (int32_t layer = 0; layer < p->num_layers; layer++) {
    for (int32_t d = 0; d < p->num_directions; d++) {
      struct rf_layer l = net_layer(&net, layer, d);
      pack_layer(&net, &l, layer, d, packed);
    }
  }
  return RF_OK;
}

static void forward_layer(const struct worker *worker, int32_t layer, int32_t d) {
  const struct net *net = &worker->call->net;
  const struct workspace *w = &worker->call->w;
  const rf_problem *p = net->p;
  const int last = layer == p->num_layers - 1;
  const int64_t state = (int64_t)(layer * p->num_directions + d) * p->batch * p->hidden_size;
  struct arena packed = {p->packed ? (char *)p->packed : w->packed, 0};
  struct rf_layer l = worker_layer(worker, layer, d);
  l.packed = net_packed(net, &packed, layer, d);
  l.packs = !p->packed;
  l.h_n = net_offset(net, p->h_n, state);
  l.c_n = net_offset(net, p->c_n, state);
  if (layer > 0 && p->reserve) l.x = net_kept(net, layer - 1, 0).states;
  if (layer > 0 && !p->reserve) l.x = from_step(net, w->passed[(layer - 1) % 2]);
  if (!last && !p->reserve) {
    l.states = from_step(net, w->passed[layer % 2]);
    l.states.base = net_offset(net, l.states.base, d * net->state_row);
  }
  if (last) l.y = (struct rf_view){net_offset(net, p->y, d * p->hidden_size), p->y_stride_t, p->y_stride_b};
  net->kernel->forward(&l);
}

static void forward_task(void *context, int32_t index, int32_t count) {
  const struct call *call = context;
  const rf_problem *p = call->net.p;
  const struct worker worker = worker_make(call, index, count);
  for (int32_t layer = 0; layer < p->num_layers && !p->packed; layer++) {
    for (int32_t d = 0; d < p->num_directions; d++) {
      struct rf_layer l = worker_layer(&worker, layer, d);
      pack_layer(&call->net, &l, layer, d, call->w.packed);
    }
  }
  if (count > 1 && !p->packed) rf_barrier_wait(call->w.barrier, count);
  for (int32_t layer = 0; layer < p->num_layers; layer++) {
    for (int32_t d = 0; d < p->num_directions; d++) forward_layer(&worker, layer, d);
  }
}

static void backward_layer(const struct worker *worker, int32_t layer, int32_t d) {
  const struct net *net = &worker->call->net;
  const struct workspace *w = &worker->call->w;
  const rf_problem *p = net->p;
  const int64_t k = (int64_t)layer * p->num_directions + d, state = k * p->batch * p->hidden_size;
  struct rf_layer l = worker_layer(worker, layer, d);
  if (layer > 0) l.x = net_kept(net, layer - 1, 0).states;
  l.dy = (struct rf_view){(void *)p->dy, p->dy_stride_t, p->dy_stride_b};
  if (layer < p->num_layers - 1) {
    l.dy = from_step(net, w->d_passed[layer % 2]);
    l.hold = 0; /* the layer above never read an output that is not live */
  }
  l.dy.base = net_offset(net, l.dy.base, d * p->hidden_size);
  l.dx = (struct rf_view){p->dx, p->dx_stride_t, p->dx_stride_b};
  if (layer > 0) l.dx = from_step(net, w->d_passed[(layer - 1) % 2]);
  l.dx_first = net_direction(p, d) == 0;
  l.dx_last = net_direction(p, d) == net_directions(p) - 1;
  l.dh_n = net_offset(net, p->dh_n, state);
  l.dc_n = net_offset(net, p->dc_n, state);
  l.dh0 = net_offset(net, p->dh0, state);
  l.dc0 = net_offset(net, p->dc0, state);
  l.overwrite = p->overwrite;
  l.d_weight_ih = p->d_weight_ih ? p->d_weight_ih[k] : NULL;
  l.d_weight_hh = p->d_weight_hh ? p->d_weight_hh[k] : NULL;
  l.d_bias_ih = p->d_bias_ih ? p->d_bias_ih[k] : NULL;
  l.d_bias_hh = p->d_bias_hh ? p->d_bias_hh[k] : NULL;
  net->kernel->backward(&l);
}

static void backward_task(void *context, int32_t index, int32_t count) {
  const struct call *call = context;
  const rf_problem *p = call->net.p;
  const struct worker worker = worker_make(call, index, count);
  for (int32_t layer = p->num_layers - 1; layer >= 0; layer--) {
    for (int32_t d = 0; d < p->num_directions; d++) backward_layer(&worker, layer, d);
  }
}

static void call_run(struct call *call, rf_task task) {
  memset(call->w.barrier, 0, sizeof *call->w.barrier);
  if (call->net.workers > 1) {
    rf_parallel(call->net.workers, task, call);
  } else {
    task(call, 0, 1);
  }
}

/* The gradients of held outputs wait in the reserve while backward goes from chunk to chunk, beginning with none. */
static void clear_held(const struct net *net) {
  const rf_problem *p = net->p;
  for (int32_t d = 0; d < p->num_directions; d++) {
    void *held = net_kept(net, p->num_layers - 1, d).held;
    if (held) memset(held, 0, (size_t)(p->batch * net->state_row) * net->size);
  }
}

int32_t rf_stack_forward(const struct rf_kernel *kernel, const rf_problem *p) {
  struct call call = {.net = net_make(kernel, p)};
  struct arena arena = {p->workspace, 0};
  const struct packed_header header = net_packed_header(&call.net);
  if (p->packed && memcmp(p->packed, &header, sizeof header) != 0) return RF_ERROR_PACKED;
  call.w = workspace_make(&call.net, &arena, 0);
  clear_held(&call.net);
  call_run(&call, forward_task);
  return RF_OK;
}

int32_t rf_stack_backward(const struct rf_kernel *kernel, const rf_problem *p) {
  struct call call = {.net = net_make(kernel, p)};
  struct arena arena = {p->workspace, 0};
  call.w = workspace_make(&call.net, &arena, 1);
  call_run(&call, backward_task);
  return RF_OK;
}

/* One unit of the blocks that a row of gates or states is made of. */
static void copy_units(const struct net *net, const void *row, int64_t slots, int64_t slot, void *to) {
  const int64_t in_block = (int64_t)(RF_LINE / net->size), hidden = net->p->hidden_size;
  for (int64_t unit = 0; unit < hidden; unit += in_block) {
    const int64_t count = hidden - unit < in_block ? hidden - unit : in_block;
    memcpy(net_offset(net, to, unit), net_offset(net, row, unit * slots + slot * in_block), (size_t)count * net->size);
  }
}

int32_t rf_stack_activation(const struct rf_kernel *kernel, const rf_problem *p, int32_t k, int32_t gate, void *out) {
  const struct rf_cell_shape *shape = &kernel->shape;
  struct net net = net_make(kernel, p);
  struct arena arena = {p->workspace, 0};
  workspace_make(&net, &arena, 0);
  const int32_t d = k % p->num_directions;
  const struct kept kept = net_kept(&net, k / p->num_directions, d);
  const struct rf_view *view = gate == shape->gates ? &kept.cells : &kept.gates;
  int32_t slot = 0;
  while (gate < shape->gates && shape->gate_x[slot] != gate) slot++;
  const int64_t row = p->batch * p->hidden_size;
  memset(net_offset(&net, out, p->t0 * row), 0, (size_t)(net.visits * row) * net.size);
  for (int64_t visit = 0; visit < net.visits; visit++) {
    const int64_t t = rf_plan_step(&net.plan[d], visit);
    for (int64_t i = net.plan[d].start[visit]; i < net.plan[d].start[visit + 1]; i++) {
      const int64_t b = net.plan[d].row[i];
      copy_units(&net, net_offset(&net, view->base, t * view->stride_t + b * view->stride_b),
                 gate == shape->gates ? 1 : shape->slots, slot,
                 net_offset(&net, out, (t * p->batch + b) * p->hidden_size));
    }
  }
  return RF_OK;
}
