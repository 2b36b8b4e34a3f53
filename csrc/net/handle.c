/* handle.c - a net made of parts: their memory in one block, weights rearranged. */
#include "net/handle.h"

#include <stdlib.h>
#include <string.h>

#include "net/chain.h"
#include "net/net.h"
#include "net/stack.h"

static size_t number_size(int32_t dtype) { return dtype == RF_F32 ? sizeof(float) : sizeof(double); }

/* A copy of some numbers in the net's own memory; NULL stays NULL. */
static const void *keep(struct arena *arena, const void *from, int64_t numbers, size_t size) {
  if (!from) return NULL;
  void *to = take(arena, numbers, size);
  if (to) memcpy(to, from, (size_t)numbers * size);
  return to;
}

/* Rows from which on tiles of several rows are faster: the step kernels read a layer's weights again for every row. Measured
 * on Zen 4 for LSTM: they win up to 16 rows of 16 units and 3 rows of 32, but from 2 rows on not with 64 units. */
static int64_t step_rows(const struct rf_step_layer *layer) {
  const size_t bytes = layer->calls.bytes(&layer->step);
  return bytes <= (16 << 10) ? 16 : bytes <= (64 << 10) ? 4 : 2;
}

/* No more rows than general calls leave unrounded, too: steps round none, and bits are to be the same. */
static int64_t rows_unrounded(const struct rf_kernel *kernel, int32_t weights, int64_t rows) {
  while (kernel->rounds && rows > 1 && kernel->rounds(weights, rows - 1)) rows--;
  return rows;
}

/* The weights once more, in the order in which a step reads them. */
static void place_steps(const struct rf_part_spec *s, size_t size, struct arena *arena, struct rf_part *part) {
  const rf_problem *p = &s->problem;
  if (p->num_directions > 1 || s->kernel->shape.projects) return;
  struct rf_step_layer *layers = take(arena, p->num_layers, sizeof *layers);
  const int64_t state = rf_step_state(p->hidden_size, size);
  for (int32_t l = 0; l < p->num_layers; l++) {
    struct rf_step step = {
        .input_size = l == 0 ? p->input_size : p->hidden_size,
        .hidden_size = p->hidden_size,
        .x_stride = l == 0 ? p->input_size : state,
        .y_stride = p->hidden_size,
        .state_stride = state,
        .weight_ih = p->weight_ih[l],
        .weight_hh = p->weight_hh[l],
        .bias_ih = p->bias_ih ? p->bias_ih[l] : NULL,
        .bias_hh = p->bias_hh ? p->bias_hh[l] : NULL,
        .weights = rf_net_weights(p),
    };
    const struct rf_step_calls calls = *rf_step_calls(rf_step_kernel(s->kernel, s->narrow, &step), &step);
    step.packed = take(arena, (int64_t)calls.bytes(&step), 1);
    if (!step.packed) continue;
    calls.pack(&step);
    step.weight_ih = step.weight_hh = step.bias_ih = step.bias_hh = NULL; /* the caller's */
    layers[l] = (struct rf_step_layer){step, calls, (size_t)state * size};
  }
  if (!part) return;
  part->step = layers;
  part->step_rows = rows_unrounded(s->kernel, rf_net_weights(p), step_rows(&layers[p->num_layers - 1]));
}

/* A part of layers: the record that its calls begin with. Returns a status, and only counts bytes without memory. */
static int32_t place_layers(const struct rf_part_spec *s, int32_t num_threads, size_t size, struct arena *arena,
                            struct rf_part *part) {
  rf_problem p = s->problem;
  const int64_t count = (int64_t)p.num_layers * p.num_directions;
  const int32_t status =
      p.packed ? rf_stack_packed_check(s->kernel, &p) : rf_stack_packed_bytes(s->kernel, &p, &p.packed_bytes);
  if (status != RF_OK) return status;
  void *own = p.packed ? NULL : take(arena, (int64_t)p.packed_bytes, 1);
  const void *h0 = keep(arena, p.h0, count * p.state_size, size), *c0 = NULL;
  if (s->kernel->shape.states > 1) c0 = keep(arena, p.c0, count * p.hidden_size, size);
  place_steps(s, size, arena, part);
  if (!part) return RF_OK;
  part->kernel = s->kernel;
  part->h0 = h0;
  part->c0 = c0;
  part->problem = (rf_problem){
      .struct_size = sizeof p,
      .cell = p.cell,
      .dtype = p.dtype,
      .weight_dtype = p.weight_dtype,
      .isa = p.isa,
      .num_layers = p.num_layers,
      .num_directions = p.num_directions,
      .input_size = p.input_size,
      .hidden_size = p.hidden_size,
      .state_size = p.state_size,
      .masked_output = p.masked_output,
      .num_threads = num_threads,
      .packed = own ? own : p.packed,
      .packed_bytes = p.packed_bytes,
      .workspace_bytes = PTRDIFF_MAX, /* the caller was told how much */
  };
  return own ? rf_stack_pack(s->kernel, &p, own) : RF_OK;
}

static void place_linear(const struct rf_part_spec *s, const struct rf_head *head, size_t size, struct arena *arena,
                         struct rf_part *part) {
  void *packed = take(arena, head->linear_numbers(s->inputs, s->outputs), size);
  if (!packed) return;
  head->pack(s->inputs, s->outputs, s->weight, s->bias, packed);
  part->linear = (struct rf_linear){s->inputs, s->outputs, packed, {rf_cpu_cache(1) / 2, rf_cpu_cache(2) / 2}};
}

/* Lays a net out in `arena` and, where that has memory, fills it in. */
static int32_t place(const struct rf_part_spec *spec, int32_t count, const rf_net *like, struct arena *arena) {
  rf_net *net = take(arena, 1, sizeof *net);
  struct rf_part *parts = take(arena, count, sizeof *parts);
  if (net) {
    *net = *like;
    net->part = parts;
    memset(parts, 0, (size_t)count * sizeof *parts);
  }
  int64_t from = rf_chain_width(spec, count);
  for (int32_t n = 0; n < count; n++) {
    const struct rf_part_spec *s = &spec[n];
    struct rf_part *part = net ? &parts[n] : NULL;
    const int64_t outputs = rf_chain_outputs(s, from);
    if (part) *part = (struct rf_part){.kind = s->kind, .inputs = from, .outputs = outputs};
    if (s->kind == RF_PART_LAYERS) {
      const int32_t status = place_layers(s, like->num_threads, like->size, arena, part);
      if (status != RF_OK) return status;
    } else if (s->kind == RF_HEAD_LINEAR) {
      place_linear(s, like->head, like->size, arena, part);
    } else if (s->kind == RF_PART_EMBEDDING) {
      const void *table = keep(arena, s->weight, s->inputs * s->outputs, like->size);
      if (part) part->table = table, part->entries = s->inputs;
    }
    from = outputs;
  }
  if (net && count == 1 && parts->step && parts->problem.num_layers == 1) {
    net->only = parts->step;
    net->only_rows = parts->step_rows;
  }
  return RF_OK;
}

int32_t rf_handle_make(const struct rf_part_spec *spec, int32_t count, int32_t isa, int32_t num_threads,
                       const struct rf_head *head, rf_net **net) {
  const int32_t status = rf_chain_check(spec, count, head->dtype);
  if (status != RF_OK) return status;
  rf_net like = rf_chain_net(spec, count);
  like.dtype = head->dtype;
  like.isa = isa;
  like.num_threads = num_threads;
  like.size = number_size(head->dtype);
  like.head = head;
  struct arena arena = {0};
  int32_t placed = place(spec, count, &like, &arena);
  if (placed != RF_OK) return placed;
  if (arena.used > PTRDIFF_MAX) return RF_ERROR_SIZE;
  arena = (struct arena){aligned_alloc(RF_LINE, arena.used), 0};
  if (!arena.base) return RF_ERROR_MEMORY;
  placed = place(spec, count, &like, &arena);
  if (placed != RF_OK) {
    free(arena.base);
  } else {
    *net = (rf_net *)arena.base;
  }
  return placed;
}
