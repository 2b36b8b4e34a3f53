/* narrow_tiles.h - weights times rows that some way makes into what AMX's tiles take (tile_operands.h). */
#ifndef RF_NARROW_TILES_H
#define RF_NARROW_TILES_H

#include <stdint.h>
#include RF_VEC_H
#include "product/narrow.h"
#include "product/narrow_rows.h"
#include "product/tile_operands.h"
#include "vec/tiles.h"

enum { TILED_VECTORS = 2 };

/* A way, and of each tile the rows that it has (tile_shapes_of). */
struct tiled_way {
  struct way way;
  int of_tile[TILES];
};

/* rows_run, within tiles that fit, as many rows at a time as there is room for. */
static void tiled_run(const struct product_narrow *p, const struct tiled_way *tiled, int64_t first, int64_t end) {
  const int64_t full = end - (end - first) % tiled->way.tile;
  for (int64_t row = first, next; row < end; row = next) {
    const int64_t last = row < full ? full : end;
    next = last - row < tiled->way.rows ? last : row + tiled->way.rows;
    const struct tile_shapes shapes = tile_shapes_of(tiled->of_tile, (int)(next - row));
    tiles_begin(&shapes);
    rows_run(p, &tiled->way, row, next, p->room);
  }
  tiles_end();
}

static int tiled_widest(int rows) {
  (void)rows;
  return 1;
}

#endif
