/* net.h - a whole net as stack.c sees it: sizes, and where its parts lie in the reserve and among packed weights. */
#ifndef RF_NET_H
#define RF_NET_H

#include "arena.h"
#include "kernel.h"

struct net {
  const struct rf_kernel *kernel;
  const rf_problem *p;
  size_t size; /* bytes of a number */
  int64_t state_row, gates_row; /* numbers from row to row of one direction */
  int64_t visits;
  int32_t workers; /* threads worth waking for it */
  int by_units;    /* which share hidden units, not rows */
  struct rf_plan plan[2]; /* of all rows, by direction; stack.c makes them */
};

/* What a tape keeps of one layer and direction. */
struct kept {
  struct rf_view gates, states, cells;
  void *held;
};

/* What `packed` begins with: whom it was made for. The panels of layer after layer follow. */
struct packed_header {
  const struct rf_kernel *kernel;
  int64_t input_size, hidden_size;
  int32_t num_layers, num_directions;
};

struct net net_make(const struct rf_kernel *kernel, const rf_problem *p);

/* Whether a buffer's bytes could overflow. */
int net_too_large(const struct rf_kernel *kernel, const rf_problem *p);

/* Directions of the net that this is, or is a half of; and which of them one here is: 1 goes back in time. */
static inline int32_t net_directions(const rf_problem *p) { return p->half ? 2 : p->num_directions; }
static inline int32_t net_direction(const rf_problem *p, int32_t direction) {
  return p->half ? p->half - 1 : direction;
}

/* The layer's record as every call has it, for a single worker. */
struct rf_layer net_layer(const struct net *net, int32_t layer, int32_t direction);

/* Numbers further on; NULL stays NULL. */
void *net_offset(const struct net *net, const void *base, int64_t numbers);

/* (T, B, row) of numbers. */
struct rf_view net_view(const struct net *net, struct arena *arena, int64_t steps, int64_t row);

/* Lays the whole reserve out and returns one layer's and direction's part; or that part of p->reserve, if any. */
struct kept net_reserve(const struct net *net, struct arena *arena, int32_t layer, int32_t direction);
struct kept net_kept(const struct net *net, int32_t layer, int32_t direction);

/* Memory of a layer's panels behind a packed_header; with layer = num_layers it lays all out and returns NULL. */
void *net_packed(const struct net *net, struct arena *arena, int32_t layer, int32_t direction);
struct packed_header net_packed_header(const struct net *net);

#endif
