/* workspace.h - the memory map of a call's scratch. */
#ifndef RF_WORKSPACE_H
#define RF_WORKSPACE_H

#include <stddef.h>
#include <stdint.h>

#include "layer/layer.h"
#include "net/net.h"
#include "system/arena.h"
#include "system/threads.h"

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

struct workspace rf_workspace_make(struct net *net, struct arena *arena, int backward);

/* The plans of both directions for rows [from, to). */
void rf_net_plans(const struct net *net, int64_t from, int64_t to, struct arena *arena, struct rf_plan *plans);

#endif
