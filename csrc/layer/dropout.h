/* dropout.h - dropout masks from counters: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
 * 2011), so that a mask depends on its place alone. */
#ifndef RF_DROPOUT_H
#define RF_DROPOUT_H

#include <stdint.h>
#include <string.h>
#include RF_VEC_H
#include "layer/layer.h"

static inline void philox(uint32_t c[4], uint64_t seed) {
  uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
  for (int round = 0; round < 10; round++, key0 += 0x9E3779B9u, key1 += 0xBB67AE85u) {
    const uint64_t a = (uint64_t)0xD2511F53u * c[0], b = (uint64_t)0xCD9E8D57u * c[2];
    const uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ key0, (uint32_t)b, (uint32_t)(a >> 32) ^ c[3] ^ key1,
                              (uint32_t)a};
    memcpy(c, next, sizeof next);
  }
}

/* The mask of one row of `units` numbers: 0 or 1 / (1 - p). */
static void dropout_mask(const struct rf_dropout *dropout, uint64_t seed, int64_t row, int64_t t, int64_t units,
                         real *mask) {
  const uint32_t threshold = (uint32_t)(dropout->probability * 4294967296.0);
  const real kept = (real)(1.0 / (1.0 - dropout->probability));
  for (int64_t unit = 0; unit < units; unit += 4) {
    uint32_t word[4] = {(uint32_t)row, (uint32_t)(unit / 4), dropout->every_step ? (uint32_t)t : 0, dropout->tag};
    philox(word, seed);
    for (int64_t i = 0; i < 4 && unit + i < units; i++) mask[unit + i] = word[i] >= threshold ? kept : 0;
  }
}

#endif
