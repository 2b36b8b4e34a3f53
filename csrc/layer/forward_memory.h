/* forward_memory.h - the scratch of a forward call: what all workers share, what each has for itself. */
#ifndef RF_FORWARD_MEMORY_H
#define RF_FORWARD_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include RF_VEC_H
#include RF_CELL_H
#include "layer/dropout_rows.h"
#include "layer/layer.h"
#include "layer/matrices.h"
#include "layer/pack.h"
#include "layer/pairs.h"
#include "layer/rows.h"
#include "product/gemm.h"
#include "product/narrow.h"
#include "system/arena.h"

/* Scratch of a forward call. Pointer arrays hold one entry per row of a chunk, of a step (`..._row`) or of the batch
 * (`now_...`: where its state stands). */
struct forward {
  struct packed packed;
  real *room; /* of panels that are packed, or weights that are widened, as they are used */
  struct inputs inputs;
  int64_t chunk_rows; /* that have room; at least the batch */
  real *gates, *states[2], *h0, *c0, *zeros, *masks, *dropped, *operand;
  struct pair_rows pairs; /* a product's rows, rounded */
  const real **pairs_row;
  const real **x_row;
  real **chunk_gates;
  const real **now_h, **now_c;
  const real **h_row, **h_dropped_row, **c_row;
  real **h_next_row, **c_next_row, **operand_row;
};

/* Room of products of up to so many rows; NULL where they take none. */
static void *room_make(const struct rf_layer *l, struct arena *arena, int64_t rows) {
  const size_t whole = l->packs || l->pairs ? (size_t)room_numbers(&l->cache) * sizeof(real) : 0;
  const size_t bytes = NARROW_WEIGHTS(l) ? narrow_room_bytes(l->weights, rows) : whole;
  return bytes > 0 ? take(arena, (int64_t)bytes, 1) : NULL;
}

static struct forward forward_make(const struct rf_layer *l, struct arena *arena, struct arena *shared) {
  const int64_t stride = state_stride(l);
  const int64_t all = (l->plan.t1 - l->plan.t0) * l->batch, limit = chunk_rows(l), most = limit < all ? limit : all;
  struct forward f = {.chunk_rows = most};
  f.room = room_make(l, arena, most);
  struct arena *together = l->together ? shared : arena;
  if (!l->gates.base) f.gates = take_reals(together, most * gates_stride(l));
  for (int i = 0; i < 2 && !l->states.base; i++) f.states[i] = take_reals(shared, l->batch * stride);
  f.h0 = take_reals(arena, l->batch * stride);
  f.c0 = take_reals(together, CELL_STATES > 1 ? l->batch * cell_stride(l) : 0);
  f.zeros = take_reals(arena, cell_stride(l)); /* h has no more numbers than c */
  f.masks = recurrent_masks(l, arena);
  f.dropped = take_reals(arena, l->recurrent_dropout.probability > 0 ? l->batch * stride : 0);
  /* Where rows are shared out, workers are in different layers at a time: rows of c are longer than those of h. */
  if (CELL_PHASES > 1) f.operand = take_reals(shared, l->batch * stride);
  if (CELL_PROJECTS) f.operand = take_reals(together, l->batch * cell_stride(l));
  f.inputs = inputs_make(l, arena);
  f.inputs.dropped = take_reals(arena, l->input_dropout.probability > 0 ? most * f.inputs.stride : 0);
  if (l->pairs) {
    const int64_t inputs = l->x_segments * (l->input_size / l->x_segments + 1);
    const int64_t rows = most > l->batch ? most : l->batch;
    f.pairs = pair_rows_take(arena, rows, inputs > l->hidden_size ? inputs : l->hidden_size);
    f.pairs_row = take_pointers(arena, rows);
  }
  f.x_row = take_pointers(arena, most);
  f.chunk_gates = take_pointers(arena, most);
  f.now_h = take_pointers(arena, l->batch);
  f.now_c = take_pointers(arena, l->batch);
  f.h_row = take_pointers(arena, l->batch);
  f.h_dropped_row = take_pointers(arena, l->batch);
  f.c_row = take_pointers(arena, l->batch);
  f.h_next_row = take_pointers(arena, l->batch);
  f.c_next_row = take_pointers(arena, l->batch);
  f.operand_row = take_pointers(arena, l->batch);
  return f;
}

static size_t layer_forward_bytes(const struct rf_layer *l) {
  struct arena arena = {0}, shared = {0};
  forward_make(l, &arena, &shared);
  return arena.used;
}

static size_t layer_forward_shared_bytes(const struct rf_layer *l) {
  struct arena arena = {0}, shared = {0};
  forward_make(l, &arena, &shared);
  return shared.used;
}

#endif
