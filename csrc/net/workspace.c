/* workspace.c - the memory map of a call's scratch. */
#include "net/workspace.h"

#include "net/packed.h"
#include "net/plan.h"
#include "net/stack.h"

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

void rf_net_plans(const struct net *net, int64_t from, int64_t to, struct arena *arena, struct rf_plan *plans) {
  for (int32_t d = 0; d < net->p->num_directions; d++) {
    plans[d] = rf_plan_make(net->p, rf_net_direction(net->p, d), from, to, arena);
  }
}

struct workspace rf_workspace_make(struct net *net, struct arena *arena, int backward) {
  const rf_problem *p = net->p;
  struct workspace w = {.barrier = take(arena, 1, sizeof(struct rf_barrier))};
  rf_net_plans(net, 0, p->batch, arena, net->plan);
  if (!p->packed) {
    struct arena packed = {0};
    rf_net_packed(net, &packed, p->num_layers, 0);
    w.packed = take(arena, (int64_t)packed.used, 1);
  }
  for (int i = 0; i < 2 && i < p->num_layers - 1; i++) {
    if (!p->reserve) w.passed[i] = rf_net_view(net, arena, net->visits, p->num_directions * net->state_row);
    if (backward) w.d_passed[i] = rf_net_view(net, arena, net->visits, p->num_directions * p->hidden_size);
  }
  struct arena own = {0};
  struct rf_plan plans[2];
  size_t scratch = 0, shared = 0;
  rf_net_plans(net, 0, p->batch, &own, plans);
  for (int32_t layer = 0; layer < p->num_layers; layer++) {
    const struct rf_layer l = rf_net_layer(net, layer, 0);
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

int32_t rf_stack_workspace_bytes(const struct rf_kernel *kernel, const rf_problem *p, size_t *bytes) {
  if (rf_net_too_large(kernel, p)) return RF_ERROR_SIZE;
  struct net net = rf_net_make(kernel, p);
  struct arena arena = {0};
  rf_workspace_make(&net, &arena, p->reserve != NULL);
  *bytes = arena.used;
  return RF_OK;
}

int32_t rf_stack_reserve_bytes(const struct rf_kernel *kernel, const rf_problem *p, size_t *bytes) {
  if (rf_net_too_large(kernel, p)) return RF_ERROR_SIZE;
  const struct net net = rf_net_make(kernel, p);
  struct arena arena = {0};
  rf_net_reserve(&net, &arena, 0, 0);
  *bytes = arena.used;
  return RF_OK;
}
