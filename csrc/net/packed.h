/* packed.h - weights rearranged once for many calls: whom they were made for, and where each layer's panels lie. */
#ifndef RF_NET_PACKED_H
#define RF_NET_PACKED_H

#include <stdint.h>

#include "layer/layer.h"
#include "net/net.h"
#include "system/arena.h"

/* Memory of a layer's panels, behind a header; with layer = num_layers it lays all out and returns NULL. */
void *rf_net_packed(const struct net *net, struct arena *arena, int32_t layer, int32_t direction);

/* Whether p->packed, if any, was made for this net, and all of it is there. */
int32_t rf_packed_check(const struct net *net);

/* Writes this worker's share of one layer's panels among those of `packed`. */
void rf_net_pack_layer(const struct net *net, struct rf_layer *l, int32_t layer, int32_t d, void *packed);

#endif
