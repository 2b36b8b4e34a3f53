/* pack_narrow.h - weights rounded to a narrow type and laid out in lines (vec/weight_types.h). */
#ifndef RF_PACK_NARROW_H
#define RF_PACK_NARROW_H

#include <math.h>
#include <stdint.h>
#include <string.h>
#include RF_VEC_H
#include "layer/layer.h"
#include "layer/matrices.h"
#include "layer/rows.h"
#include "product/narrow.h"
#include "vec/weight_types.h"

/* Rounded to nearest, ties to even. */
static uint16_t to_bf16(real a) {
  const float narrow = (float)a;
  uint32_t bits;
  memcpy(&bits, &narrow, sizeof bits);
  if (narrow != narrow) return (uint16_t)(bits >> 16 | 0x40);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* What a row's whole numbers are multiplied by: its largest number over 127, rounded up to 17 bits, such that every product
 * is a float32 and a row made of such products keeps its scale. Rows of nothing but subnormals in sight are zeros. */
static float row_scale(const real *row, int64_t count) {
  float most = 0;
  for (int64_t k = 0; k < count; k++) {
    const float a = fabsf((float)row[k]);
    most = a > most ? a : most;
  }
  if (most < 0x1p-100f) return 0;
  const float scale = most / 127;
  uint32_t bits;
  memcpy(&bits, &scale, sizeof bits);
  bits = (bits + 0x7f) & ~UINT32_C(0x7f);
  float up;
  memcpy(&up, &bits, sizeof up);
  return up;
}

/* Rounded to nearest, ties to even, by adding and taking away what leaves no bits below 1. */
static int8_t to_i8(real a, float scale) {
  return scale > 0 ? (int8_t)(((float)a / scale + 0x1.8p23f) - 0x1.8p23f) : 0;
}

/* The lines' numbers of `count` numbers of a row, in one lane, from line to line `step` numbers on; zeros behind them. */
static void narrow_row(int32_t type, const real *row, int64_t count, float scale, real *line, int64_t step) {
  const int group = rf_weight_group(type);
  for (int64_t k = 0; k < rf_weight_lines(count, type) * group; k++) {
    const real a = k < count ? row[k] : 0;
    char *to = (char *)(line + k / group * step);
    if (type == RF_WEIGHT_BF16) {
      const uint16_t narrow = to_bf16(a);
      memcpy(to + k % group * (int64_t)sizeof narrow, &narrow, sizeof narrow);
    } else {
      const int8_t narrow = to_i8(a, scale);
      memcpy(to + k % group, &narrow, sizeof narrow);
    }
  }
}

/* A matrix in strips (product/narrow.h), this worker's share of its panels, and the scales of rows where the type has such.
 * Inputs come in `segments`. */
static void pack_narrow(const struct rf_layer *l, struct weights w, int64_t segments, real *to, real *scale) {
  const int64_t size = w.columns / segments, lines = rf_weight_lines(size, l->weights);
  const int64_t panels = panels_of(w.hidden), vectors = panels * w.gates;
  const int64_t first = rf_share(panels, l->worker, l->workers) * w.gates * VEC_LANES;
  const int64_t end = rf_share(panels, l->worker + 1, l->workers) * w.gates * VEC_LANES;
  for (int64_t column = first; column < end; column++) {
    const int64_t vector = column / VEC_LANES, lane = column % VEC_LANES, unit = vector / w.gates * VEC_LANES + lane;
    const int64_t within = vector % STRIP_VECTORS, step = strip_vectors(vectors, vector) * VEC_LANES;
    const int exists = unit < w.hidden;
    const real *row = exists ? w.base + (w.gate[vector % w.gates] * w.hidden + unit) * w.columns : NULL;
    const float factor = exists && l->weights == RF_WEIGHT_I8 ? row_scale(row, w.columns) : 0;
    if (l->weights == RF_WEIGHT_I8) scale[column] = factor;
    real *line = to + (vector - within) * segments * lines * VEC_LANES + within * VEC_LANES + lane;
    for (int64_t s = 0; s < segments; s++, line += lines * step) {
      for (int64_t i = 0; i < lines && !exists; i++) line[i * step] = 0;
      if (exists) narrow_row(l->weights, row + s * size, size, factor, line, step);
    }
  }
}

#endif
