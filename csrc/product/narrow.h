/* narrow.h - products with panels of narrow types: widened in registers, or for many rows before these pass by. */
#ifndef RF_NARROW_H
#define RF_NARROW_H

#include <stdint.h>
#include RF_VEC_H
#include "product/gemm.h"
#include "product/operands.h"
#include "system/compiler.h"
#include "system/cpu.h"
#include "vec/weights.h"

/* Panels of `gates` vectors for rows of `segments` stretches of `size` numbers. */
struct narrow {
  const real *packed;
  int64_t segments, size;
  int gates;
};

/* Numbers [from, to) of every column of a panel, which begin a line, as a product has them that widens nothing. */
INLINE void panel_widen(const int type, const struct narrow *n, int64_t panel, int64_t from, int64_t to, real *room) {
  const int group = rf_weight_group(type);
  const int64_t lines = rf_weight_lines(n->size, type), line = n->gates * VEC_LANES;
  for (int64_t k = from, stop; k < to; k = stop) {
    const int64_t segment = k / n->size, first = segment * n->size;
    const real *at = n->packed + ((panel * n->segments + segment) * lines + rf_weight_lines(k - first, type)) * line;
    stop = first + n->size < to ? first + n->size : to;
    for (; k < stop; k += group, at += line) {
      for (int64_t g = 0; g < line; g += VEC_LANES) {
        UNROLL for (int j = 0; j < group; j++) {
          if (k + j < stop) v_store(room + (k + j - from) * line + g, weight_widened(type, at + g, j));
        }
      }
    }
  }
}

static void widen_bf16(const void *source, int64_t panel, int64_t from, int64_t to, real *room) {
  panel_widen(RF_WEIGHT_BF16, source, panel, from, to, room);
}
static void widen_i8(const void *source, int64_t panel, int64_t from, int64_t to, real *room) {
  panel_widen(RF_WEIGHT_I8, source, panel, from, to, room);
}

/* As tiles_run. Panels of a narrow type are widened in registers by the family of that type, or before where there is none
 * or there are many rows. `b`, which the job refers to, is changed. */
INLINE void narrow_run(const struct tile_family *const *by_type, const struct rows *a, int64_t part, struct panels *b,
                       int64_t first, int64_t end, const struct rf_cache *cache, const void *job) {
  const struct narrow narrow = {b->packed, a->segments, a->size, by_type[RF_WEIGHT_WHOLE]->gates};
  const struct tile_family *family = by_type[b->type];
  if (b->type != RF_WEIGHT_WHOLE && (!family || a->count > NARROW_ROWS(narrow.gates, b->type))) {
    b->pack = b->type == RF_WEIGHT_BF16 ? widen_bf16 : widen_i8;
    b->source = &narrow;
    family = by_type[RF_WEIGHT_WHOLE];
  }
  tiles_run(family, a, part, b, first, end, cache, job);
}

#endif
