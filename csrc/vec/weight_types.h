/* weight_types.h - the number types that weights are kept in, of which float32 kernels read all, and how many fill a line.
 *
 * Weights lie in lines as wide as a vector of the kernel's own numbers. Every lane of a line belongs to one row of W, and
 * has as many numbers of it as there is room for, one after the other from its lowest bit. A row is filled up to whole
 * lines. */
#ifndef RF_WEIGHT_TYPES_H
#define RF_WEIGHT_TYPES_H

#include <stdint.h>

/* RF_WEIGHT_I8: whole numbers from -127 to 127, to be multiplied by a number that a row of W has for itself, its scale. */
enum { RF_WEIGHT_WHOLE, RF_WEIGHT_BF16, RF_WEIGHT_I8, RF_WEIGHT_TYPES };

/* Numbers of a row in a lane, 1, 2 or 4; and lines for so many of them. */
static inline int rf_weight_group(int32_t type) { return 1 << type; }
static inline int64_t rf_weight_lines(int64_t numbers, int32_t type) {
  return (numbers + rf_weight_group(type) - 1) >> type;
}

#endif
