/* packed.h - weights rearranged once for many calls: whom they were made for, and where each layer's panels lie. */
#ifndef RF_NET_PACKED_H
#define RF_NET_PACKED_H

#include <stdint.h>

#include "kernel.h"
#include "net/net.h"
#include "system/arena.h"

/* What `packed` begins with: whom it was made for. The panels of layer after layer follow. */
struct packed_header {
  const struct rf_kernel *kernel;
  int64_t input_size, hidden_size;
  int32_t num_layers, num_directions;
};

/* Memory of a layer's panels behind a packed_header; with layer = num_layers it lays all out and returns NULL. */
void *rf_net_packed(const struct net *net, struct arena *arena, int32_t layer, int32_t direction);
struct packed_header rf_net_packed_header(const struct net *net);

/* Writes this worker's share of one layer's panels among those of `packed`. */
void rf_net_pack_layer(const struct net *net, struct rf_layer *l, int32_t layer, int32_t d, void *packed);

#endif
