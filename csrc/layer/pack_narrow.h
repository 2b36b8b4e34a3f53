/* pack_narrow.h - weights rounded to a narrow type and laid out in lines (vec/weight_types.h). */
#ifndef RF_PACK_NARROW_H
#define RF_PACK_NARROW_H

#include <math.h>
#include <stdint.h>
#include <string.h>
#include RF_VEC_H
#include "vec/weight_types.h"

/* Some gates of a matrix as PyTorch has it, (G * hidden, columns), in the order of their slots, the first of which is
 * `slot`. */
struct weights {
  const real *base;
  int64_t hidden, columns;
  const int *gate;
  int slot, gates;
};

/* A unit's row for a gate; NULL for units that fill up the last panel. */
static const real *weights_row(const struct weights *w, int64_t unit, int gate) {
  return unit < w->hidden ? w->base + (w->gate[gate] * w->hidden + unit) * w->columns : NULL;
}

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

/* The lines' numbers of `count` numbers of a row from its `k`-th on, in lane `lane` of a line; zeros behind them. */
static void narrow_lane(int32_t type, const real *row, int64_t k, int64_t count, float scale, real *line, int lane) {
  char *to = (char *)(line + lane);
  for (int j = 0; j < rf_weight_group(type); j++) {
    const real a = row && j < count ? row[k + j] : 0;
    if (type == RF_WEIGHT_BF16) {
      const uint16_t narrow = to_bf16(a);
      memcpy(to + 2 * j, &narrow, sizeof narrow);
    } else {
      const int8_t narrow = to_i8(a, scale);
      memcpy(to + j, &narrow, sizeof narrow);
    }
  }
}

#endif
