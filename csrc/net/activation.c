/* activation.c - what a tape holds, for the caller to see: gates and cell states as dense arrays. */
#include <string.h>

#include "net/stack.h"
#include "net/workspace.h"

/* One unit of the blocks that a row of gates or states is made of. */
static void copy_units(const struct net *net, const void *row, int64_t slots, int64_t slot, void *to) {
  const int64_t in_block = (int64_t)(RF_LINE / net->size), hidden = net->p->hidden_size;
  for (int64_t unit = 0; unit < hidden; unit += in_block) {
    const int64_t count = hidden - unit < in_block ? hidden - unit : in_block;
    memcpy(rf_net_offset(net, to, unit), rf_net_offset(net, row, unit * slots + slot * in_block),
           (size_t)count * net->size);
  }
}

int32_t rf_stack_activation(const struct rf_kernel *kernel, const rf_problem *p, int32_t k, int32_t gate, void *out) {
  const struct rf_cell_shape *shape = &kernel->shape;
  struct net net = rf_net_make(kernel, p);
  struct workspace w;
  const int32_t status = rf_workspace_begin(&net, 0, &w);
  if (status != RF_OK) return status;
  const int32_t d = k % p->num_directions;
  const struct kept kept = rf_net_kept(&net, k / p->num_directions, d);
  const struct rf_view *view = gate == shape->gates ? &kept.cells : &kept.gates;
  int32_t slot = 0;
  while (gate < shape->gates && shape->gate_x[slot] != gate) slot++;
  const int64_t row = p->batch * p->hidden_size;
  memset(rf_net_offset(&net, out, p->t0 * row), 0, (size_t)(net.visits * row) * net.size);
  for (int64_t visit = 0; visit < net.visits; visit++) {
    const int64_t t = rf_plan_step(&net.plan[d], visit);
    for (int64_t i = net.plan[d].start[visit]; i < net.plan[d].start[visit + 1]; i++) {
      const int64_t b = net.plan[d].row[i];
      copy_units(&net, rf_net_offset(&net, view->base, t * view->stride_t + b * view->stride_b),
                 gate == shape->gates ? 1 : shape->slots, slot,
                 rf_net_offset(&net, out, (t * p->batch + b) * p->hidden_size));
    }
  }
  return RF_OK;
}
