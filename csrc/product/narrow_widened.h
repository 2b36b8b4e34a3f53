/* narrow_widened.h - products with weights of a narrow type that are widened: of few rows or of many. */
#ifndef RF_NARROW_WIDENED_H
#define RF_NARROW_WIDENED_H

#include <stddef.h>
#include <stdint.h>
#include RF_VEC_H
#include "product/narrow.h"
#include "product/narrow_few.h"
#include "product/narrow_many.h"

/* Rows from which on to widen weights once pays. With 32 registers tiles of a few rows are large enough to hide it: 5 to 12
 * rows of 512 units take up to 1.25 times as long by the other way (Zen 4, AVX-512), and 128 rows 0.93 times. */
#define MANY_LEAST (VEC_REGISTERS == 32 ? 16 : 5)

static size_t widened_room(int64_t rows) {
  if (rows < MANY_LEAST) return 0;
  return offsetof(struct many, row) + (size_t)(rows < MANY_ROWS ? rows : MANY_ROWS) * sizeof(widened_row);
}

/* Rows [first, end), many dealt evenly. */
static void widened_rows(const struct product_narrow *p, int64_t first, int64_t end) {
  const int64_t count = end - first, turns = (count + MANY_ROWS - 1) / MANY_ROWS;
  if (p->room == NULL || count < MANY_LEAST) {
    few_rows(p, first, end);
    return;
  }
  for (int64_t i = 0; i < turns; i++) many_rows(p, first + count * i / turns, first + count * (i + 1) / turns);
}

#endif
