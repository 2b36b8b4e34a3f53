/* team.c - a call in progress and the workers that share it out. */
#include "net/team.h"

#include <string.h>

#define PRODUCTS_A_NANOSECOND 40 /* of one thread, about */
#define PATIENCE_MOST 2000000    /* nanoseconds: no idle processor takes longer to wake */

struct worker rf_worker_make(const struct call *call, int32_t index, int32_t count) {
  struct worker worker = {.call = call, .index = index, .count = count};
  const int64_t batch = call->net.p->batch;
  struct arena arena = {call->w.own + (size_t)index * call->w.own_bytes, 0};
  memcpy(worker.plan, call->net.plan, sizeof worker.plan);
  if (count > 1 && !call->net.by_units) {
    const int64_t from = rf_share(batch, index, count), to = rf_share(batch, index + 1, count);
    rf_plans_place(&call->net, from, to, &arena, worker.plan);
    rf_plans_fill(&call->net, worker.plan);
  }
  worker.scratch = arena.base + arena.used;
  return worker;
}

struct rf_layer rf_worker_layer(const struct worker *worker, int32_t layer, int32_t d) {
  struct rf_layer l = rf_net_layer(&worker->call->net, layer, d);
  l.plan = worker->plan[d];
  l.worker = worker->index;
  l.workers = worker->count;
  l.by_units = worker->call->net.by_units && worker->count > 1;
  if (l.by_units) {
    const int64_t blocks = rf_blocks(l.hidden_size, worker->call->net.size);
    const int64_t block = (int64_t)(RF_LINE / worker->call->net.size);
    l.unit_from = rf_share(blocks, l.worker, l.workers) * block;
    if (l.worker + 1 < l.workers) l.unit_to = rf_share(blocks, l.worker + 1, l.workers) * block;
    const int64_t of_state = rf_blocks(l.state_size, worker->call->net.size);
    l.state_from = rf_share(of_state, l.worker, l.workers) * block;
    if (l.worker + 1 < l.workers) l.state_to = rf_share(of_state, l.worker + 1, l.workers) * block;
  }
  l.packs = 1;
  l.barrier = worker->call->w.barrier;
  l.scratch = worker->scratch;
  l.shared = worker->call->w.shared;
  return l;
}

int rf_worker_goes_on(struct worker *worker) {
  if (worker->count == 1 || !worker->call->w.barrier->parted) return 1;
  worker->count = 1;
  return worker->index == 0;
}

void rf_call_run(struct call *call, rf_task task) {
  if (call->net.workers == 1) {
    task(call, 0, 1);
    return;
  }
  const double patience = call->net.products / PRODUCTS_A_NANOSECOND / 2; /* as long as sharing out may save */
  rf_parallel(&(struct rf_region){
      .task = task,
      .context = call,
      .workers = call->net.workers,
      .patience = patience < PATIENCE_MOST ? (int64_t)patience : PATIENCE_MOST,
      .grace = (int64_t)(patience / 4),
      .barrier = call->w.barrier,
      .tight = call->net.by_units,
      .host = call->net.p->team,
      .lent = call->net.p->num_threads,
  });
}
