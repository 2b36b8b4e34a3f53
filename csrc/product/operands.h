/* operands.h - what a product multiplies: rows of A wherever they lie, and panels of B, [k][column] for a few columns. */
#ifndef RF_OPERANDS_H
#define RF_OPERANDS_H

#include <stdint.h>
#include RF_VEC_H
#include "system/arena.h"

/* Rows of numbers somewhere in memory, each of `segments` stretches of `size` numbers, `stride` apart. */
struct rows {
  const real *const *row;
  int64_t count;
  int64_t segments, size, stride;
};

static inline int64_t rows_width(const struct rows *r) { return r->segments * r->size; }

/* B: all of its panels packed before, or, where this product alone uses them, some at a time as their turn comes, which
 * saves their way to memory and back. `pack` writes numbers [from, to) of every column of a panel. */
struct panels {
  const real *packed;
  void (*pack)(const void *source, int64_t panel, int64_t from, int64_t to, real *room); /* NULL: packed before */
  const void *source;
  real *room; /* for room_numbers */
  int backwards; /* from the last panel on: what the call before used last is in a cache yet */
};

/* Where `count` vectors stand in a row of blocks of a line's numbers, slot after slot (layer/layer.h): vector n is gate
 * n % gates of panel n / gates, which is slot `slot` + gate. */
static inline void gate_offsets(int gates, int slot, int slots, int64_t vector, int count, int64_t *offset) {
  enum { UNITS_OF_LINE = RF_LINE / (int)sizeof(real) };
  const uint32_t every = (uint32_t)gates; /* unsigned, of 32 bits: quickly divided */
  uint32_t panel = (uint32_t)vector / every, gate = (uint32_t)vector % every;
  for (int n = 0; n < count; n++) {
    const uint32_t unit = panel * VEC_LANES, at = unit / UNITS_OF_LINE * (uint32_t)slots + (uint32_t)slot + gate;
    offset[n] = (int64_t)at * UNITS_OF_LINE + unit % UNITS_OF_LINE;
    if (++gate == every) gate = 0, panel++;
  }
}

#endif
