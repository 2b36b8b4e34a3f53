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
  void *shared;
  char *own;
  size_t own_bytes;
};

/* Lays p->workspace out, sees that all of p's buffers are large enough, and only then writes the plans into it. With
 * num_threads = 0 the net gets no more workers than there is room for. */
int32_t rf_workspace_begin(struct net *net, int backward, struct workspace *w);

/* Where the plans of both directions for rows [from, to) lie, and what they say. */
void rf_plans_place(const struct net *net, int64_t from, int64_t to, struct arena *arena, struct rf_plan *plans);
void rf_plans_fill(const struct net *net, const struct rf_plan *plans);

#endif
