/* packed.c - weights rearranged once for many calls: whom they were made for, and where each layer's panels lie. */
#include "net/packed.h"

#include <string.h>

#include "net/stack.h"

static const char MAGIC[8] = {'r', 'n', 'n', 'p', 'a', 'c', 'k', '\n'};
enum { LAYOUT = 4 }; /* to be raised whenever panels come to lie otherwise */

/* What `packed` begins with: whom it was made for. The panels of layer after layer follow. */
struct header {
  char magic[sizeof MAGIC];
  int32_t layout, dtype, weights, products;
  char cell[16], isa[16];
  int32_t num_layers, num_directions;
  int64_t input_size, hidden_size, state_size;
  uint64_t bytes; /* all of it */
};

static int64_t packed_numbers(const struct net *net, int32_t layer) {
  const rf_problem *p = net->p;
  return rf_packed_numbers(&net->kernel->shape, rf_net_segments(p, layer), rf_net_layer_input(p, layer), p->hidden_size,
                           p->state_size, net->size, rf_net_weights(p));
}

void *rf_net_packed(const struct net *net, struct arena *arena, int32_t layer, int32_t direction) {
  take(arena, 1, sizeof(struct header));
  for (int32_t l = 0; l < net->p->num_layers; l++) {
    for (int32_t d = 0; d < net->p->num_directions; d++) {
      void *part = take(arena, packed_numbers(net, l), net->size);
      if (l == layer && d == direction) return part;
    }
  }
  return NULL;
}

static struct header header_make(const struct net *net, size_t bytes) {
  const rf_problem *p = net->p;
  struct header header;
  memset(&header, 0, sizeof header); /* padding too: headers are compared as bytes */
  memcpy(header.magic, MAGIC, sizeof header.magic);
  header.layout = LAYOUT;
  header.dtype = net->kernel->dtype;
  header.weights = rf_net_weights(p);
  header.products = p->product_dtype;
  strncpy(header.cell, net->kernel->cell, sizeof header.cell - 1);
  strncpy(header.isa, net->kernel->isa, sizeof header.isa - 1);
  header.num_layers = p->num_layers;
  header.num_directions = p->num_directions;
  header.input_size = p->input_size;
  header.hidden_size = p->hidden_size;
  header.state_size = p->state_size;
  header.bytes = bytes;
  return header;
}

static size_t packed_bytes(const struct net *net) {
  struct arena arena = {0};
  rf_net_packed(net, &arena, net->p->num_layers, 0);
  return arena.used;
}

int32_t rf_packed_check(const struct net *net) {
  const rf_problem *p = net->p;
  if (!p->packed) return RF_OK;
  const size_t bytes = packed_bytes(net);
  if (p->packed_bytes < bytes) return RF_ERROR_PACKED_BYTES;
  const struct header header = header_make(net, bytes);
  return memcmp(p->packed, &header, sizeof header) == 0 ? RF_OK : RF_ERROR_PACKED;
}

int32_t rf_stack_packed_check(const struct rf_kernel *kernel, const rf_problem *p) {
  if (rf_net_too_large(kernel, p)) return RF_ERROR_SIZE;
  const struct net net = rf_net_make(kernel, p);
  return (uintptr_t)p->packed % RF_LINE != 0 ? RF_ERROR_ALIGNMENT : rf_packed_check(&net);
}

int32_t rf_stack_packed_bytes(const struct rf_kernel *kernel, const rf_problem *p, size_t *bytes) {
  if (rf_net_too_large(kernel, p)) return RF_ERROR_SIZE;
  const struct net net = rf_net_make(kernel, p);
  *bytes = packed_bytes(&net);
  return RF_OK;
}

void rf_net_pack_layer(const struct net *net, struct rf_layer *l, int32_t layer, int32_t d, void *packed) {
  struct arena arena = {packed, 0};
  l->packed = rf_net_packed(net, &arena, layer, d);
  net->kernel->pack(l);
}

int32_t rf_stack_pack(const struct rf_kernel *kernel, const rf_problem *p, void *packed) {
  if (rf_net_too_large(kernel, p)) return RF_ERROR_SIZE;
  const struct net net = rf_net_make(kernel, p);
  const size_t bytes = packed_bytes(&net);
  if ((uintptr_t)packed % RF_LINE != 0) return RF_ERROR_ALIGNMENT;
  if (p->packed_bytes < bytes) return RF_ERROR_PACKED_BYTES;
  const struct header header = header_make(&net, bytes);
  memcpy(packed, &header, sizeof header);
  for (int32_t layer = 0; layer < p->num_layers; layer++) {
    for (int32_t d = 0; d < p->num_directions; d++) {
      struct rf_layer l = rf_net_layer(&net, layer, d);
      rf_net_pack_layer(&net, &l, layer, d, packed);
    }
  }
  return RF_OK;
}
