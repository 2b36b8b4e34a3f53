/* workspace.c - the memory map of a call's scratch. */
#include "net/workspace.h"

#include "net/packed.h"
#include "net/plan.h"
#include "net/stack.h"

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

void rf_plans_place(const struct net *net, int64_t from, int64_t to, struct arena *arena, struct rf_plan *plans) {
  for (int32_t d = 0; d < net->p->num_directions; d++) {
    plans[d] = rf_plan_place(net->p, rf_net_direction(net->p, d), from, to, arena);
  }
}

void rf_plans_fill(const struct net *net, const struct rf_plan *plans) {
  for (int32_t d = 0; d < net->p->num_directions; d++) rf_plan_fill(net->p, &plans[d]);
}

/* Each worker's part stands last, so that what comes before does not depend on how many there are. */
static struct workspace workspace_place(struct net *net, struct arena *arena, int backward) {
  const rf_problem *p = net->p;
  struct workspace w = {.barrier = take(arena, 1, sizeof(struct rf_barrier))};
  rf_plans_place(net, 0, p->batch, arena, net->plan);
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
  rf_plans_place(net, 0, p->batch, &own, plans);
  for (int32_t layer = 0; layer < p->num_layers; layer++) {
    struct rf_layer l = rf_net_layer(net, layer, 0);
    l.packs = !p->packed;
    scratch = larger(scratch, net->kernel->forward_bytes(&l));
    if (backward) scratch = larger(scratch, net->kernel->backward_bytes(&l));
    shared = larger(shared, net->kernel->forward_shared_bytes(&l));
    if (backward) shared = larger(shared, net->kernel->backward_shared_bytes(&l));
  }
  w.shared = take(arena, (int64_t)shared, 1);
  w.own_bytes = own.used + scratch;
  w.own = take(arena, 0, w.own_bytes);
  return w;
}

static int32_t check_reserve(const struct net *net) {
  struct arena reserve = {0};
  if (net->p->reserve) rf_net_reserve(net, &reserve, 0, 0);
  return reserve.used > net->p->reserve_bytes ? RF_ERROR_RESERVE_BYTES : RF_OK;
}

int32_t rf_workspace_begin(struct net *net, int backward, struct workspace *w) {
  const rf_problem *p = net->p;
  if (rf_net_too_large(net->kernel, p)) return RF_ERROR_SIZE;
  const int32_t status = check_reserve(net);
  if (status != RF_OK) return status;
  struct arena arena = {p->workspace, 0};
  *w = workspace_place(net, &arena, backward);
  const size_t left = p->workspace_bytes > arena.used ? p->workspace_bytes - arena.used : 0;
  if (left < (size_t)net->workers * w->own_bytes) {
    if (p->num_threads > 0 || left < w->own_bytes) return RF_ERROR_WORKSPACE_BYTES;
    net->workers = (int32_t)(left / w->own_bytes);
  }
  rf_plans_fill(net, net->plan);
  return RF_OK;
}

int32_t rf_stack_workspace_bytes(const struct rf_kernel *kernel, const rf_problem *p, size_t *bytes) {
  if (rf_net_too_large(kernel, p)) return RF_ERROR_SIZE;
  struct net net = rf_net_make(kernel, p);
  struct arena arena = {0};
  const struct workspace w = workspace_place(&net, &arena, p->reserve != NULL);
  *bytes = arena.used + (size_t)net.workers * w.own_bytes;
  return RF_OK;
}

/* Fewer rows may be shared out by units where more are not, which takes other memory: there is room for either. */
int32_t rf_stack_workspace_most(const struct rf_kernel *kernel, const rf_problem *p, size_t *bytes) {
  if (rf_net_too_large(kernel, p)) return RF_ERROR_SIZE;
  struct net net = rf_net_make(kernel, p);
  const int32_t workers = rf_net_workers_most(&net);
  size_t used = 0, own = 0;
  for (net.by_units = 0; net.by_units < (workers > 1 ? 2 : 1); net.by_units++) {
    struct arena arena = {0};
    const struct workspace w = workspace_place(&net, &arena, 0);
    used = larger(used, arena.used);
    own = larger(own, w.own_bytes);
  }
  *bytes = used + (size_t)workers * own;
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
