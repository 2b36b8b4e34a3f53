/* tile_shapes.h - what AMX's tile registers are told of their shapes, in memory as the processor reads it. */
#ifndef RF_TILE_SHAPES_H
#define RF_TILE_SHAPES_H

#include <stdint.h>

/* Tiles, and the most that one of them holds. */
enum { TILES = 8, TILE_ROWS = 16, TILE_BYTES = 64 };

struct tile_shapes {
  uint8_t palette; /* 1: the tiles above */
  uint8_t start_row, reserved[14];
  uint16_t bytes[16]; /* of a row */
  uint8_t rows[16];
};

#endif
