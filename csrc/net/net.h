/* net.h - a whole net: its sizes, how many threads are worth waking for it, and where its parts lie in the reserve. */
#ifndef RF_NET_H
#define RF_NET_H

#include <stddef.h>
#include <stdint.h>

#include "include/rnnfast.h"
#include "kernel.h"
#include "layer/layer.h"
#include "system/arena.h"

struct net {
  const struct rf_kernel *kernel;
  const rf_problem *p;
  size_t size; /* bytes of a number */
  int64_t state_row, cell_row, gates_row; /* numbers from row to row of one direction: of h, of c, of gates */
  int64_t visits;
  double products; /* multiply-adds of a forward */
  int32_t workers; /* threads worth waking for it */
  int by_units;    /* which share hidden units, not rows */
  struct rf_plan plan[2]; /* of all rows, by direction; workspace.c makes them */
};

/* What a tape keeps of one layer and direction. */
struct kept {
  struct rf_view gates, states, cells;
  void *held;
};

struct net rf_net_make(const struct rf_kernel *kernel, const rf_problem *p);

/* The most workers that a call of no more steps and rows may have. */
int32_t rf_net_workers_most(const struct net *net);

/* Whether a buffer's bytes could overflow. */
int rf_net_too_large(const struct rf_kernel *kernel, const rf_problem *p);

/* Directions of the net that this is, or is one of two of; and which of them one here is: 1 goes back in time. */
static inline int32_t rf_net_directions(const rf_problem *p) { return p->only_direction ? 2 : p->num_directions; }
static inline int32_t rf_net_direction(const rf_problem *p, int32_t direction) {
  return p->only_direction ? p->only_direction - 1 : direction;
}

/* The layer's record as every call has it, for a single worker. */
struct rf_layer rf_net_layer(const struct net *net, int32_t layer, int32_t direction);

/* Numbers of a row of a layer's input, and the segments that they come in. */
int64_t rf_net_layer_input(const rf_problem *p, int32_t layer);
int64_t rf_net_segments(const rf_problem *p, int32_t layer);

/* The type that weights are kept in, of vec/weight_types.h. */
static inline int32_t rf_net_weights(const rf_problem *p) {
  return p->weight_dtype == RF_BF16 || p->product_dtype == RF_BF16 ? RF_WEIGHT_BF16
         : p->weight_dtype == RF_I8                                ? RF_WEIGHT_I8
                                                                   : RF_WEIGHT_WHOLE;
}

/* Numbers further on; NULL stays NULL. */
void *rf_net_offset(const struct net *net, const void *base, int64_t numbers);

/* (T, B, row) of numbers. */
struct rf_view rf_net_view(const struct net *net, struct arena *arena, int64_t steps, int64_t row);

/* Lays the whole reserve out and returns one layer's and direction's part; or that part of p->reserve, if any. */
struct kept rf_net_reserve(const struct net *net, struct arena *arena, int32_t layer, int32_t direction);
struct kept rf_net_kept(const struct net *net, int32_t layer, int32_t direction);

#endif
