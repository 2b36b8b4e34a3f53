/* team.h - a call in progress and the workers that share it out. */
#ifndef RF_TEAM_H
#define RF_TEAM_H

#include <stdint.h>

#include "layer/layer.h"
#include "net/net.h"
#include "net/workspace.h"
#include "system/threads.h"

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

struct worker rf_worker_make(const struct call *call, int32_t index, int32_t count);

/* After a layer: whether this worker has more to do. Where workers have parted, worker 0 alone has. */
int rf_worker_goes_on(struct worker *worker);

/* The layer's record as this worker has it, with its rows or its units. */
struct rf_layer rf_worker_layer(const struct worker *worker, int32_t layer, int32_t d);

/* Runs the task on as many workers as the net is worth. */
void rf_call_run(struct call *call, rf_task task);

/* Memory of steps [t0, t1) only, to be indexed by a step's own number. */
static inline struct rf_view from_step(const struct net *net, struct rf_view view) {
  view.base = rf_net_offset(net, view.base, -net->p->t0 * view.stride_t);
  return view;
}

#endif
