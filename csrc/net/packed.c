/* packed.c - weights rearranged once for many calls: whom they were made for, and where each layer's panels lie. */
#include "net/packed.h"

#include <string.h>

#include "net/stack.h"

static int64_t packed_numbers(const struct net *net, int32_t layer) {
  const rf_problem *p = net->p;
  return rf_packed_numbers(&net->kernel->shape, rf_net_layer_input(p, layer), p->hidden_size, net->size);
}

struct packed_header rf_net_packed_header(const struct net *net) {
  const rf_problem *p = net->p;
  struct packed_header header;
  memset(&header, 0, sizeof header); /* padding too: headers are compared as bytes */
  header.kernel = net->kernel;
  header.input_size = p->input_size;
  header.hidden_size = p->hidden_size;
  header.num_layers = p->num_layers;
  header.num_directions = p->num_directions;
  return header;
}

void *rf_net_packed(const struct net *net, struct arena *arena, int32_t layer, int32_t direction) {
  take(arena, 1, sizeof(struct packed_header));
  for (int32_t l = 0; l < net->p->num_layers; l++) {
    for (int32_t d = 0; d < net->p->num_directions; d++) {
      void *part = take(arena, packed_numbers(net, l), net->size);
      if (l == layer && d == direction) return part;
    }
  }
  return NULL;
}

int32_t rf_stack_packed_bytes(const struct rf_kernel *kernel, const rf_problem *p, size_t *bytes) {
  if (rf_net_too_large(kernel, p)) return RF_ERROR_SIZE;
  const struct net net = rf_net_make(kernel, p);
  struct arena arena = {0};
  rf_net_packed(&net, &arena, p->num_layers, 0);
  *bytes = arena.used;
  return RF_OK;
}

void rf_net_pack_layer(const struct net *net, struct rf_layer *l, int32_t layer, int32_t d, void *packed) {
  struct arena arena = {packed, 0};
  l->packed = rf_net_packed(net, &arena, layer, d);
  net->kernel->pack(l);
}

int32_t rf_stack_pack(const struct rf_kernel *kernel, const rf_problem *p, void *packed) {
  const struct net net = rf_net_make(kernel, p);
  const struct packed_header header = rf_net_packed_header(&net);
  memcpy(packed, &header, sizeof header);
  for (int32_t layer = 0; layer < p->num_layers; layer++) {
    for (int32_t d = 0; d < p->num_directions; d++) {
      struct rf_layer l = rf_net_layer(&net, layer, d);
      rf_net_pack_layer(&net, &l, layer, d, packed);
    }
  }
  return RF_OK;
}
