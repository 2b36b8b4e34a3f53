/* net.c - a whole net's sizes, how many threads are worth waking for it, and where its parts lie in the reserve. */
#include "net/net.h"

#include "system/cpu.h"
#include "system/threads.h"

#define WORKER_PRODUCTS 500000 /* multiply-adds, some 10 microseconds: several times what waking a thread takes */
#define WORKER_ROWS 16         /* from here on rows are shared out: nothing to wait for, and tiles are still full */
#define WORKER_ROWS_LEAST 4    /* where units cannot be, */
#define FEW_ROWS_PRODUCTS 2000000 /* and so many multiply-adds of each worker, because tiles are not full */
#define STEP_PRODUCTS 60000    /* of a worker in a step: several times what the barrier after it takes */

static size_t number_size(const rf_problem *p) { return p->dtype == RF_F32 ? sizeof(float) : sizeof(double); }

int64_t rf_net_layer_input(const rf_problem *p, int32_t layer) {
  return layer == 0 ? p->input_size : p->num_directions * p->state_size;
}

int64_t rf_net_segments(const rf_problem *p, int32_t layer) {
  return p->first_layer + layer == 0 ? 1 : rf_net_directions(p);
}

/* Every later sum of sizes fits in 63 bits. */
int rf_net_too_large(const struct rf_kernel *kernel, const rf_problem *p) {
  const double rows = (double)p->steps * (double)p->batch + (double)p->batch + 1024;
  const double units = (double)p->hidden_size + 64, inputs = (double)p->input_size + 2 * units;
  const double layers = (double)p->num_layers * p->num_directions;
  const double numbers = rows * (units * (kernel->shape.slots + 4) + inputs) + units * inputs * kernel->shape.gates;
  return 16.0 * 8 * RF_MAX_THREADS * layers * numbers > 4e18; /* every thread has its own scratch */
}

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* Threads worth waking for this work, and what they share out. Results never depend on it. */
static void choose_workers(struct net *net) {
  const rf_problem *p = net->p;
  const int32_t threads = p->num_threads > 0 ? p->num_threads : rf_get_num_threads();
  const double gates = (double)p->hidden_size * net->kernel->shape.gates, batch = (double)p->batch;
  const double projection = net->kernel->shape.projects ? (double)p->state_size * (double)p->hidden_size * batch : 0;
  const double step = gates * (double)p->state_size * batch + projection;
  const double all = (gates * (double)(p->input_size + p->state_size) * batch + projection) * (double)net->visits;
  const double layers = (double)p->num_layers * p->num_directions;
  const int64_t most = smaller(threads, (int64_t)(all * layers / WORKER_PRODUCTS));
  const int64_t by_rows = smaller(most, p->batch / WORKER_ROWS);
  const int64_t by_units =
      smaller(most, smaller(rf_blocks(p->hidden_size, net->size), (int64_t)(step / STEP_PRODUCTS)));
  net->products = all * layers;
  net->by_units = by_units > 1 && by_units > by_rows;
  const int64_t of_few =
      smaller(smaller(most, p->batch / WORKER_ROWS_LEAST), (int64_t)(all * layers / FEW_ROWS_PRODUCTS));
  const int64_t workers = net->by_units ? by_units : by_rows > of_few ? by_rows : of_few;
  net->workers = workers < 1 ? 1 : (int32_t)smaller(workers, RF_MAX_THREADS);
}

int32_t rf_net_workers_most(const struct net *net) {
  const int32_t threads = net->p->num_threads > 0 ? net->p->num_threads : rf_get_num_threads();
  const int64_t workers = smaller(threads, (int64_t)(net->products / WORKER_PRODUCTS));
  return workers < 1 ? 1 : (int32_t)smaller(workers, RF_MAX_THREADS);
}

struct net rf_net_make(const struct rf_kernel *kernel, const rf_problem *p) {
  struct net net = {.kernel = kernel, .p = p, .size = number_size(p), .visits = p->t1 - p->t0};
  choose_workers(&net);
  const int64_t blocks = rf_blocks(p->hidden_size, net.size);
  net.state_row = rf_row_stride(rf_blocks(p->state_size, net.size), net.size);
  net.cell_row = rf_row_stride(blocks, net.size);
  net.gates_row = rf_row_stride(blocks * kernel->shape.slots, net.size);
  return net;
}

void *rf_net_offset(const struct net *net, const void *base, int64_t numbers) {
  return base ? (char *)base + numbers * (int64_t)net->size : NULL;
}

struct rf_view rf_net_view(const struct net *net, struct arena *arena, int64_t steps, int64_t row) {
  const int64_t batch = net->p->batch;
  return (struct rf_view){take(arena, steps * batch * row, net->size), batch * row, row};
}

/* The reserve holds, layer by layer, the states of both directions side by side, then each direction's gates and
 * cell states; at the end what a held output's gradient waits in. Returns all of it for one layer and direction. */
struct kept rf_net_reserve(const struct net *net, struct arena *arena, int32_t layer, int32_t direction) {
  const rf_problem *p = net->p;
  const int32_t directions = p->num_directions;
  struct kept found = {0};
  for (int32_t l = 0; l < p->num_layers; l++) {
    const struct rf_view states = rf_net_view(net, arena, p->steps, directions * net->state_row);
    for (int32_t d = 0; d < directions; d++) {
      const struct rf_view gates = rf_net_view(net, arena, p->steps, net->gates_row);
      struct rf_view cells = {0};
      if (net->kernel->shape.states > 1) cells = rf_net_view(net, arena, p->steps, net->cell_row);
      if (l != layer || d != direction) continue;
      found = (struct kept){.gates = gates, .states = states, .cells = cells};
      found.states.base = rf_net_offset(net, states.base, d * net->state_row);
    }
  }
  for (int32_t d = 0; d < directions && p->masked_output == RF_MASKED_HOLD; d++) {
    void *held = take(arena, p->batch * net->state_row, net->size);
    if (layer == p->num_layers - 1 && d == direction) found.held = held;
  }
  return found;
}

struct kept rf_net_kept(const struct net *net, int32_t layer, int32_t direction) {
  struct arena arena = {net->p->reserve, 0};
  return net->p->reserve ? rf_net_reserve(net, &arena, layer, direction) : (struct kept){0};
}

/* The number that a dropout's masks are drawn under: kind 0 between layers, 1 on the net's input, 2 recurrent. */
static uint32_t dropout_tag(int32_t layer, int32_t direction, uint32_t kind) {
  return ((uint32_t)layer * 2 + (uint32_t)direction) * 4 + kind;
}

struct rf_layer rf_net_layer(const struct net *net, int32_t layer, int32_t direction) {
  const rf_problem *p = net->p;
  const int64_t k = layer * p->num_directions + direction, rows = k * p->batch;
  const struct kept kept = rf_net_kept(net, layer, direction);
  const int32_t number = p->first_layer + layer;
  return (struct rf_layer){
      .plan = net->plan[direction],
      .all = net->plan[direction],
      .unit_to = p->hidden_size,
      .state_to = p->state_size,
      .workers = 1,
      .together = net->by_units,
      .steps = p->steps,
      .batch = p->batch,
      .input_size = rf_net_layer_input(p, layer),
      .hidden_size = p->hidden_size,
      .state_size = p->state_size,
      .hold = p->masked_output == RF_MASKED_HOLD,
      .seed = p->dropout_seed,
      .cache = {rf_cpu_cache(1) / 2, rf_cpu_cache(2) / 2}, /* the other halves for rows and for weights */
      .first_row = p->first_row,
      .first_step = p->first_step,
      .input_dropout = {number == 0 ? p->input_dropout : p->dropout, dropout_tag(number, 0, number == 0), number > 0},
      .recurrent_dropout = {p->recurrent_dropout, dropout_tag(number, rf_net_direction(p, direction), 2), 0},
      .weight_ih = p->weight_ih ? p->weight_ih[k] : NULL,
      .weight_hh = p->weight_hh ? p->weight_hh[k] : NULL,
      .bias_ih = p->bias_ih ? p->bias_ih[k] : NULL,
      .bias_hh = p->bias_hh ? p->bias_hh[k] : NULL,
      .weight_hr = p->weight_hr ? p->weight_hr[k] : NULL,
      .x = {(void *)p->x, p->x_stride_t, p->x_stride_b},
      .x_segments = rf_net_segments(p, layer),
      .weights = rf_net_weights(p),
      .pairs = p->product_dtype == RF_BF16,
      .x_stride = layer > 0    ? net->state_row
                  : number > 0 ? p->state_size
                               : 0,
      .h0 = rf_net_offset(net, p->h0, rows * p->state_size),
      .c0 = rf_net_offset(net, p->c0, rows * p->hidden_size),
      .gates = kept.gates,
      .states = kept.states,
      .cells = kept.cells,
      .held = kept.held,
      .keep_reserve = p->keep_reserve != 0,
      .norms = p->state_grad_norms ? p->state_grad_norms + 2 * k : NULL,
      .norms_stride = 2 * (int64_t)p->num_layers * p->num_directions,
  };
}
