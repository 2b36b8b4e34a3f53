/* forward_cells.h - what follows a product that left the sums of all gates in memory. */
#ifndef RF_FORWARD_CELLS_H
#define RF_FORWARD_CELLS_H

#include <stdint.h>
#include RF_VEC_H
#include RF_CELL_H
#include "layer/forward_tiles.h"
#include "layer/layer.h"
#include "layer/rows.h"

/* Rows and panels that the cell takes at a time: what it leaves between its stages stays in L1. */
enum { CELL_ROWS = 4, CELL_PANELS = 4 };

/* The cell on all rows and this worker's panels. */
static void cells_run(int phase, const struct rf_layer *l, const struct step *s) {
  const int64_t rows = s->operand.count, end = own_end(l);
  struct tile at = {0};
  for (at.panel = own_first(l); at.panel < end; at.panel += CELL_PANELS) {
    const int panels = end - at.panel < CELL_PANELS ? (int)(end - at.panel) : CELL_PANELS;
    for (at.row = 0; at.row < rows; at.row += CELL_ROWS) {
      cell_tile(phase, s, &at, rows - at.row < CELL_ROWS ? (int)(rows - at.row) : CELL_ROWS, panels);
    }
  }
}

/* After an input product what sums begin with that stay apart from it. */
static void gates_begin_all(const struct rf_layer *l, const struct step *s) {
  struct tile at = {0};
  for (at.row = 0; CELL_SLOTS > CELL_GATES && at.row < s->operand.count; at.row++) {
    for (at.panel = own_first(l); at.panel < own_end(l); at.panel++) gates_begin(s, &at, 1, 1);
  }
}

#endif
