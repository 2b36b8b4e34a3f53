/* stack.c - whole nets out of layers and directions: who reads whose output, and where everything lies. */
#include "stack.h"

#include <string.h>

#include "plan.h"

#define BLOCK_ROWS 256 /* rows summed into a weight gradient at once: one part of a product's sums in gemm.h */

/* One call's net: sizes in numbers, and what the caller's two buffers hold. Tables have an entry per layer. */
struct net {
  const struct rf_kernel *kernel;
  const rf_problem *p;
  size_t size;                      /* bytes of a number */
  int64_t state_row, gates_row;     /* numbers from row to row of one direction */
  int64_t visits;
  struct rf_plan plan[2];
};

static size_t number_size(const rf_problem *p) { return p->dtype == RF_F32 ? sizeof(float) : sizeof(double); }

static int64_t layer_input(const rf_problem *p, int32_t layer) {
  return layer == 0 ? p->input_size : p->num_directions * p->hidden_size;
}

/* Bytes beyond any address space: every later sum of sizes then fits in 63 bits. */
static int too_large(const struct rf_kernel *kernel, const rf_problem *p) {
  const double rows = (double)p->steps * (double)p->batch + (double)p->batch + 1024;
  const double units = (double)p->hidden_size + 64, inputs = (double)p->input_size + 2 * units;
  const double layers = (double)p->num_layers * p->num_directions;
  const double numbers = rows * (units * (kernel->shape.slots + 4) + inputs) + units * inputs * kernel->shape.gates;
  return 16.0 * 8 * layers * numbers > 4e18;
}

static struct net net_make(const struct rf_kernel *kernel, const rf_problem *p) {
  struct net net = {.kernel = kernel, .p = p, .size = number_size(p), .visits = p->t1 - p->t0};
  const int64_t blocks = rf_blocks(p->hidden_size, net.size);
  net.state_row = rf_row_stride(blocks, net.size);
  net.gates_row = rf_row_stride(blocks * kernel->shape.slots, net.size);
  return net;
}

static void *offset(const struct net *net, const void *base, int64_t numbers) {
  return base ? (char *)base + numbers * (int64_t)net->size : NULL;
}

/* What a tape keeps of layer `layer`, direction `direction`. */
struct kept {
  struct rf_view gates, states, cells;
  void *held;
};

static struct rf_view kept_view(const struct net *net, struct arena *arena, int64_t steps, int64_t row) {
  const int64_t batch = net->p->batch;
  return (struct rf_view){take(arena, steps * batch * row, net->size), batch * row, row};
}

/* The reserve holds, layer by layer, the states of both directions side by side, then each direction's gates and
 * cell states; at the end what a held output's gradient waits in. Returns all of it for one layer and direction. */
static struct kept reserve_parts(const struct net *net, struct arena *arena, int32_t layer, int32_t direction) {
  const rf_problem *p = net->p;
  const int32_t directions = p->num_directions;
  struct kept found = {0};
  for (int32_t l = 0; l < p->num_layers; l++) {
    const struct rf_view states = kept_view(net, arena, p->steps, directions * net->state_row);
    for (int32_t d = 0; d < directions; d++) {
      const struct rf_view gates = kept_view(net, arena, p->steps, net->gates_row);
      struct rf_view cells = {0};
      if (net->kernel->shape.states > 1) cells = kept_view(net, arena, p->steps, net->state_row);
      if (l != layer || d != direction) continue;
      found = (struct kept){.gates = gates, .states = states, .cells = cells};
      found.states.base = offset(net, states.base, d * net->state_row);
    }
  }
  for (int32_t d = 0; d < directions && p->masked_output == RF_MASKED_HOLD; d++) {
    void *held = take(arena, p->batch * net->state_row, net->size);
    if (layer == p->num_layers - 1 && d == direction) found.held = held;
  }
  return found;
}

static struct kept reserve_find(const struct net *net, int32_t layer, int32_t direction) {
  struct arena arena = {net->p->reserve, 0};
  return net->p->reserve ? reserve_parts(net, &arena, layer, direction) : (struct kept){0};
}

/* The number that a dropout's masks are drawn under: kind 0 between layers, 1 on the net's input, 2 recurrent. */
static uint32_t dropout_tag(int32_t layer, int32_t direction, uint32_t kind) {
  return ((uint32_t)layer * 2 + (uint32_t)direction) * 4 + kind;
}

/* What every call says of a layer. */
static struct rf_layer layer_make(const struct net *net, int32_t layer, int32_t direction) {
  const rf_problem *p = net->p;
  const int64_t k = layer * p->num_directions + direction, state = k * p->batch * p->hidden_size;
  const struct kept kept = reserve_find(net, layer, direction);
  return (struct rf_layer){
      .plan = net->plan[direction],
      .steps = p->steps,
      .batch = p->batch,
      .input_size = layer_input(p, layer),
      .hidden_size = p->hidden_size,
      .block_steps = rf_stack_block_steps(p),
      .hold = p->masked_output == RF_MASKED_HOLD,
      .seed = p->dropout_seed,
      .first_row = p->first_row,
      .input_dropout = {layer == 0 ? p->input_dropout : p->dropout, dropout_tag(layer, 0, layer == 0), layer > 0},
      .recurrent_dropout = {p->recurrent_dropout, dropout_tag(layer, direction, 2), 0},
      .weight_ih = p->weight_ih ? p->weight_ih[k] : NULL,
      .weight_hh = p->weight_hh ? p->weight_hh[k] : NULL,
      .bias_ih = p->bias_ih ? p->bias_ih[k] : NULL,
      .bias_hh = p->bias_hh ? p->bias_hh[k] : NULL,
      .x = {(void *)p->x, p->x_stride_t, p->x_stride_b},
      .x_segments = layer == 0 ? 1 : p->num_directions,
      .x_stride = layer == 0 ? 0 : net->state_row,
      .h0 = offset(net, p->h0, state),
      .c0 = offset(net, p->c0, state),
      .gates = kept.gates,
      .states = kept.states,
      .cells = kept.cells,
      .held = kept.held,
  };
}

static int64_t packed_numbers(const struct net *net, int32_t layer) {
  const rf_problem *p = net->p;
  return rf_packed_numbers(&net->kernel->shape, layer_input(p, layer), p->hidden_size, net->size);
}

/* What `packed` begins with: whom it was made for. The panels of layer after layer follow. */
struct packed_header {
  const struct rf_kernel *kernel;
  int64_t input_size, hidden_size;
  int32_t num_layers, num_directions;
};

static struct packed_header packed_header(const struct net *net) {
  const rf_problem *p = net->p;
  struct packed_header header;
  memset(&header, 0, sizeof header); /* padding too: headers are compared as bytes */
  header.kernel = net->kernel;
  header.input_size = p->input_size;
  header.hidden_size = p->hidden_size;
  header.num_layers = p->num_layers;
  header.num_directions = p->num_directions;
  return header;
}

/* Memory of a layer's panels in `packed`, or with layer = num_layers only the count of all. */
static void *packed_part(const struct net *net, struct arena *arena, int32_t layer, int32_t direction) {
  take(arena, 1, sizeof(struct packed_header));
  for (int32_t l = 0; l < net->p->num_layers; l++) {
    for (int32_t d = 0; d < net->p->num_directions; d++) {
      void *part = take(arena, packed_numbers(net, l), net->size);
      if (l == layer && d == direction) return part;
    }
  }
  return NULL;
}

/* What the workspace holds; the plans go straight into the net. */
struct workspace {
  void *packed;            /* one layer's panels */
  struct rf_view passed[2]; /* inference: what one layer passes on to the next, in turn */
  struct rf_view d_passed[2]; /* backward: the gradient of that */
  void *scratch;
};

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static struct workspace workspace_make(struct net *net, struct arena *arena, int backward) {
  const rf_problem *p = net->p;
  const int32_t directions = p->num_directions;
  const int64_t wide = directions * net->state_row, dense = directions * p->hidden_size;
  struct workspace w = {0};
  for (int32_t d = 0; d < directions; d++) net->plan[d] = rf_plan_make(p, d, arena);
  if (!p->packed) w.packed = take(arena, packed_numbers(net, p->num_layers > 1), net->size);
  if (!p->packed && p->num_layers > 1) { /* whichever of the first two layers is the larger */
    const int64_t first = packed_numbers(net, 0), second = packed_numbers(net, 1);
    if (first > second) take(arena, first - second, net->size);
  }
  for (int i = 0; i < 2 && p->num_layers > 1; i++) {
    if (!p->reserve) w.passed[i] = kept_view(net, arena, net->visits, wide);
    if (backward) w.d_passed[i] = kept_view(net, arena, net->visits, dense);
  }
  size_t scratch = 0;
  for (int32_t layer = 0; layer < p->num_layers; layer++) {
    const struct rf_layer l = layer_make(net, layer, 0);
    scratch = larger(scratch, net->kernel->forward_bytes(&l));
    if (backward) scratch = larger(scratch, net->kernel->backward_bytes(&l));
  }
  w.scratch = take(arena, (int64_t)scratch, 1);
  return w;
}

int64_t rf_stack_block_steps(const rf_problem *p) { return p->batch < BLOCK_ROWS ? BLOCK_ROWS / larger(p->batch, 1) : 1; }

int32_t rf_stack_reserve_bytes(const struct rf_kernel *kernel, const rf_problem *p, size_t *bytes) {
  if (too_large(kernel, p)) return RF_ERROR_SIZE;
  const struct net net = net_make(kernel, p);
  struct arena arena = {0};
  reserve_parts(&net, &arena, 0, 0);
  *bytes = arena.used;
  return RF_OK;
}

int32_t rf_stack_workspace_bytes(const struct rf_kernel *kernel, const rf_problem *p, size_t *bytes) {
  if (too_large(kernel, p)) return RF_ERROR_SIZE;
  struct net net = net_make(kernel, p);
  struct arena arena = {0};
  workspace_make(&net, &arena, p->reserve != NULL);
  *bytes = arena.used;
  return RF_OK;
}

int32_t rf_stack_packed_bytes(const struct rf_kernel *kernel, const rf_problem *p, size_t *bytes) {
  if (too_large(kernel, p)) return RF_ERROR_SIZE;
  const struct net net = net_make(kernel, p);
  struct arena arena = {0};
  packed_part(&net, &arena, p->num_layers, 0);
  *bytes = arena.used;
  return RF_OK;
}

int32_t rf_stack_pack(const struct rf_kernel *kernel, const rf_problem *p, void *packed) {
  const struct net net = net_make(kernel, p);
  const struct packed_header header = packed_header(&net);
  memcpy(packed, &header, sizeof header);
  for (int32_t layer = 0; layer < p->num_layers; layer++) {
    for (int32_t d = 0; d < p->num_directions; d++) {
      struct arena arena = {packed, 0};
      struct rf_layer l = layer_make(&net, layer, d);
      l.packed = packed_part(&net, &arena, layer, d);
      kernel->pack(&l);
    }
  }
  return RF_OK;
}

/* A view of steps [t0, t1) only, to be indexed by the step's own number. */
static struct rf_view from_step(const struct net *net, struct rf_view view, int64_t t0) {
  view.base = offset(net, view.base, -t0 * view.stride_t);
  return view;
}

static void forward_layer(const struct net *net, const struct workspace *w, int32_t layer, int32_t d) {
  const rf_problem *p = net->p;
  const int last = layer == p->num_layers - 1;
  const int64_t state = (layer * p->num_directions + d) * p->batch * p->hidden_size;
  struct rf_layer l = layer_make(net, layer, d);
  l.h_n = offset(net, p->h_n, state);
  l.c_n = offset(net, p->c_n, state);
  l.scratch = w->scratch;
  if (layer > 0) l.x = p->reserve ? reserve_find(net, layer - 1, 0).states : from_step(net, w->passed[(layer - 1) % 2], p->t0);
  if (!p->reserve && !last) {
    l.states = from_step(net, w->passed[layer % 2], p->t0);
    l.states.base = offset(net, l.states.base, d * net->state_row);
  }
  if (last) l.y = (struct rf_view){offset(net, p->y, d * p->hidden_size), p->y_stride_t, p->y_stride_b};
  if (p->packed) {
    struct arena arena = {(char *)p->packed, 0};
    l.packed = packed_part(net, &arena, layer, d);
  } else {
    l.packed = w->packed;
    net->kernel->pack(&l);
  }
  net->kernel->forward(&l);
}

int32_t rf_stack_forward(const struct rf_kernel *kernel, const rf_problem *p) {
  struct net net = net_make(kernel, p);
  struct arena arena = {p->workspace, 0};
  const struct packed_header header = packed_header(&net);
  if (p->packed && memcmp(p->packed, &header, sizeof header) != 0) return RF_ERROR_PACKED;
  const struct workspace w = workspace_make(&net, &arena, 0);
  for (int32_t layer = 0; layer < p->num_layers; layer++) {
    for (int32_t d = 0; d < p->num_directions; d++) forward_layer(&net, &w, layer, d);
  }
  return RF_OK;
}

static void backward_layer(const struct net *net, const struct workspace *w, int32_t layer, int32_t d) {
  const rf_problem *p = net->p;
  const int64_t k = layer * p->num_directions + d, state = k * p->batch * p->hidden_size;
  struct rf_layer l = layer_make(net, layer, d);
  if (layer > 0) l.x = reserve_find(net, layer - 1, 0).states;
  if (layer == p->num_layers - 1) {
    l.dy = (struct rf_view){(void *)p->dy, p->dy_stride_t, p->dy_stride_b};
  } else {
    l.dy = from_step(net, w->d_passed[layer % 2], p->t0);
    l.hold = 0; /* the layer above never read an output that is not live */
  }
  l.dy.base = offset(net, l.dy.base, d * p->hidden_size);
  l.dx = layer > 0 ? from_step(net, w->d_passed[(layer - 1) % 2], p->t0)
                   : (struct rf_view){p->dx, p->dx_stride_t, p->dx_stride_b};
  l.dx_first = d == 0;
  l.dx_last = d == p->num_directions - 1;
  l.dh_n = offset(net, p->dh_n, state);
  l.dc_n = offset(net, p->dc_n, state);
  l.dh0 = offset(net, p->dh0, state);
  l.dc0 = offset(net, p->dc0, state);
  l.d_weight_ih = p->d_weight_ih ? p->d_weight_ih[k] : NULL;
  l.d_weight_hh = p->d_weight_hh ? p->d_weight_hh[k] : NULL;
  l.d_bias_ih = p->d_bias_ih ? p->d_bias_ih[k] : NULL;
  l.d_bias_hh = p->d_bias_hh ? p->d_bias_hh[k] : NULL;
  l.norms_stride = 2 * p->num_layers * p->num_directions;
  l.norms = p->state_grad_norms ? p->state_grad_norms + 2 * k : NULL;
  l.scratch = w->scratch;
  if (l.hold && p->t1 == p->steps) memset(l.held, 0, (size_t)(p->batch * net->state_row) * net->size);
  net->kernel->backward(&l);
}

int32_t rf_stack_backward(const struct rf_kernel *kernel, const rf_problem *p) {
  struct net net = net_make(kernel, p);
  struct arena arena = {p->workspace, 0};
  const struct workspace w = workspace_make(&net, &arena, 1);
  for (int32_t layer = p->num_layers - 1; layer >= 0; layer--) {
    for (int32_t d = 0; d < p->num_directions; d++) backward_layer(&net, &w, layer, d);
  }
  return RF_OK;
}

/* One unit of the blocks that a row of gates or states is made of. */
static void copy_units(const struct net *net, const void *row, int64_t slots, int64_t slot, void *to) {
  const int64_t in_block = (int64_t)(RF_LINE / net->size), hidden = net->p->hidden_size;
  for (int64_t unit = 0; unit < hidden; unit += in_block) {
    const int64_t count = hidden - unit < in_block ? hidden - unit : in_block;
    memcpy(offset(net, to, unit), offset(net, row, unit * slots + slot * in_block), (size_t)count * net->size);
  }
}

int32_t rf_stack_activation(const struct rf_kernel *kernel, const rf_problem *p, int32_t k, int32_t gate, void *out) {
  const struct rf_cell_shape *shape = &kernel->shape;
  struct net net = net_make(kernel, p);
  struct arena arena = {p->workspace, 0};
  workspace_make(&net, &arena, 0);
  const int32_t d = k % p->num_directions;
  const struct kept kept = reserve_find(&net, k / p->num_directions, d);
  const struct rf_view *view = gate == shape->gates ? &kept.cells : &kept.gates;
  if (gate < 0 || !view->base) return RF_ERROR_RANGE;
  int32_t slot = 0;
  while (gate < shape->gates && shape->gate_x[slot] != gate) slot++;
  memset(out, 0, (size_t)(p->steps * p->batch * p->hidden_size) * net.size);
  for (int64_t visit = 0; visit < net.visits; visit++) {
    const int64_t t = rf_plan_step(&net.plan[d], visit);
    for (int64_t i = net.plan[d].start[visit]; i < net.plan[d].start[visit + 1]; i++) {
      const int64_t b = net.plan[d].row[i];
      copy_units(&net, offset(&net, view->base, t * view->stride_t + b * view->stride_b),
                 gate == shape->gates ? 1 : shape->slots, slot, offset(&net, out, (t * p->batch + b) * p->hidden_size));
    }
  }
  return RF_OK;
}
