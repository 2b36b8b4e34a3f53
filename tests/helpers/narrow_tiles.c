/* narrow_tiles.c - products in AMX's tiles, of problems drawn at random, beside AVX512_VNNI's and what Intel's manual says:
 * `narrow_tiles PROBLEMS [fault]` prints what it compared and found different; with `fault` one number of the weights is
 * another for the second of two ways, to be seen. `narrow_tiles able` says whether this machine runs it. In the emulator
 * (RF_EMULATE_AMX) `narrow_tiles refuse N` does what a processor would refuse. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "product/narrow_pairs.h"
#include "product/narrow_tiled_bytes.h"
#include "product/narrow_tiled_pairs.h"
#include "system/cpu.h"

enum { ROWS = 70, VECTORS = 20, NUMBERS = 700, WIDTH = 2 * VECTORS * VEC_LANES };

static uint64_t drawn = 0x9e3779b97f4a7c15u;
static uint32_t draw(uint32_t below) {
  drawn ^= drawn << 13, drawn ^= drawn >> 7, drawn ^= drawn << 17;
  return (uint32_t)(drawn >> 33) % below;
}
static float draw_float(void) { return ((float)draw(1 << 24) - 0x1p23f) * 0x1p-22f; }

static float of_bits(uint32_t bits) {
  float found;
  memcpy(&found, &bits, sizeof found);
  return found;
}
static uint32_t bits_of(float number) {
  uint32_t found;
  memcpy(&found, &number, sizeof found);
  return found;
}

/* A number as AVX512_BF16 rounds it. */
static float rounded(float a) {
  const uint32_t bits = bits_of(a);
  if (a != a) return of_bits((bits | 0x400000) & 0xffff0000u);
  if (bits << 1 < 0x01000000) return of_bits(bits & 0x80000000u);
  return of_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u);
}

static struct product_narrow p;
static real numbers[ROWS][NUMBERS], bias[WIDTH], scale[VECTORS * VEC_LANES], begun[ROWS][WIDTH];
static const real *rows[ROWS];
static _Alignas(RF_LINE) char packed[VECTORS * VEC_LANES * (NUMBERS + 16) * 2];
static real found[2][ROWS][WIDTH], *to_row[ROWS];
static _Alignas(RF_LINE) struct many room; /* more than any way takes */
_Static_assert(sizeof room >= TILED_PAIRS_ROWS * sizeof(struct pairs), "rows of pairs need more room");
_Static_assert(sizeof room >= TILED_BYTES_ROWS * sizeof(struct digits), "rows of digits need more room");

static int64_t all_lines(void) { return p.a.segments * rf_weight_lines(p.a.size, p.type); }

/* The bytes of a line's lane. */
static char *lane(int64_t line, int64_t column) {
  const int64_t vector = column / VEC_LANES;
  return (char *)(uintptr_t)(strip_lines(&p, vector) + line * strip_step(&p, vector) + column % VEC_LANES);
}

static float bfloat16_weight(int64_t line, int64_t column, int j) {
  uint16_t bits;
  memcpy(&bits, lane(line, column) + 2 * j, sizeof bits);
  return of_bits((uint32_t)bits << 16);
}

static void draw_weights(int special) {
  const int group = rf_weight_group(p.type);
  const int64_t per_segment = rf_weight_lines(p.a.size, p.type);
  memset(packed, 0, sizeof packed);
  for (int64_t column = 0; column < p.vectors * VEC_LANES; column++) {
    scale[column] = 0.01f + fabsf(draw_float());
    for (int64_t line = 0; line < all_lines(); line++) {
      for (int j = 0; j < group && line % per_segment * group + j < p.a.size; j++) {
        const uint16_t bits = (uint16_t)(bits_of(special && draw(400) == 0 ? INFINITY : draw_float()) >> 16);
        const int8_t byte = (int8_t)((int)draw(255) - 127);
        char *to = lane(line, column) + j * (4 / group);
        memcpy(to, p.type == RF_WEIGHT_I8 ? (const void *)&byte : &bits, 4 / group);
      }
    }
  }
}

static void draw_problem(int32_t type, int plain) {
  const int special = !plain && draw(4) == 0, gates = 1 + (int)draw(4);
  const int64_t segments = 1 + draw(3);
  p = (struct product_narrow){.type = type, .gates = gates, .slot = (int)draw(2), .packed = (const real *)packed};
  p.slots = gates + p.slot;
  p.vectors = (1 + draw(VECTORS / (uint32_t)gates)) * gates;
  p.first = draw(4) ? 0 : draw((uint32_t)p.vectors);
  p.end = draw(4) ? p.vectors : p.first + draw((uint32_t)(p.vectors - p.first) + 1);
  p.a = (struct rows){rows, 1 + draw(ROWS), segments, 1 + draw(NUMBERS / (uint32_t)segments), 0};
  p.a.stride = NUMBERS / segments;
  if (draw(3) == 0) p.a.size = 1 + draw(40) % p.a.stride;
  p.part = 16 << draw(4);
  p.scale = scale;
  p.bias = draw(2) ? bias : NULL;
  p.overwrite = (int)draw(2);
  p.backwards = (int)draw(2);
  p.to = to_row;
  p.room = &room;
  draw_weights(special);
  for (int64_t r = 0; r < ROWS; r++) {
    const int odd = special && draw(3) == 0;
    const float size = ldexpf(1, (int)draw(60) - 30);
    rows[r] = numbers[r];
    for (int64_t i = 0; i < NUMBERS; i++) {
      numbers[r][i] = draw_float() * size;
      if (odd && draw(30) == 0) numbers[r][i] = draw(2) ? INFINITY : draw(2) ? NAN : 1e-39f;
    }
    for (int64_t i = 0; i < WIDTH; i++) begun[r][i] = draw_float();
  }
  for (int64_t i = 0; i < WIDTH; i++) bias[i] = draw_float();
}

static void run(int n, void (*way)(const struct product_narrow *)) {
  memcpy(found[n], begun, sizeof begun);
  for (int64_t r = 0; r < ROWS; r++) to_row[r] = found[n][r];
  way(&p);
}

/* One row's sum for one column as the manual says that it comes about, in parts as long as a block. */
static real sum_by_the_manual(const real *row, int64_t column, real sums) {
  const int64_t per_segment = rf_weight_lines(p.a.size, p.type);
  const struct product_narrow whole = parts_of_blocks(&p);
  real sum;
  for (struct part part = {0}; part_next(&whole, &part); sums += sum) {
    float chain[2] = {0, 0};
    int64_t pairs = 0;
    sum = 0;
    for (int64_t k = part.segment; k < part.last; k++) {
      for (int64_t i = part.from; i < part.to; i += 2) {
        for (int j = 0; j < 2; j++) {
          const float x = i + j < part.to ? rounded(row[k * p.a.stride + i + j]) : 0;
          chain[j] = fmaf(x, bfloat16_weight(k * per_segment + i / 2, column, j), chain[j]);
        }
        if (++pairs == part.lines || pairs % TILE_ROWS == 0) {
          sum += chain[0] + chain[1];
          chain[0] = chain[1] = 0;
        }
      }
    }
  }
  return sums;
}

static void by_the_manual(const struct product_narrow *problem) {
  for (int64_t column = p.first * VEC_LANES; column < p.end * VEC_LANES; column++) {
    int64_t offset;
    gate_offsets(problem->gates, problem->slot, problem->slots, column / VEC_LANES, 1, &offset);
    offset += column % VEC_LANES;
    for (int64_t r = 0; r < p.a.count; r++) {
      real *to = p.to[r] + offset;
      *to = sum_by_the_manual(rows[r], column, p.bias ? p.bias[offset] : p.overwrite ? 0 : *to);
    }
  }
}

static void by_vnni(const struct product_narrow *problem) { bytes_rows(problem, bytes_run); }
static void by_tiles(const struct product_narrow *problem) {
  if (problem->type == RF_WEIGHT_I8) {
    bytes_rows(problem, tiled_bytes_run);
  } else {
    tiled_pairs_rows(problem);
  }
}

static int64_t compared, different;
static double error, truth; /* sums of squares, of bfloat16 without AMX's order of sums */

static int64_t compare(void) {
  int64_t wrong = 0;
  for (int64_t n = 0; n < ROWS * WIDTH; n++) {
    const float a = found[0][n / WIDTH][n % WIDTH], b = found[1][n / WIDTH][n % WIDTH];
    wrong += bits_of(a) != bits_of(b) && !(a != a && b != b);
  }
  compared += ROWS * WIDTH;
  different += wrong;
  return wrong;
}

static void measure(void) {
  for (int64_t n = 0; n < ROWS * WIDTH; n++) {
    const double a = (double)found[0][n / WIDTH][n % WIDTH], b = (double)found[1][n / WIDTH][n % WIDTH];
    if (!isfinite(a) || !isfinite(b)) continue;
    error += (a - b) * (a - b);
    truth += b * b;
  }
}

/* Another number in the first line that counts. */
static void plant(void) {
  char *at = lane(0, p.first * VEC_LANES);
  at[p.type == RF_WEIGHT_I8 ? 0 : 1] ^= 0x3f;
}

#ifdef RF_EMULATE_AMX
static void refuse(int n) {
  struct tile_shapes shapes = {.palette = 1, .bytes = {64, 64, 64, 60}, .rows = {16, 16, 16, 16}};
  char memory[TILE_ROWS * TILE_BYTES] = {0};
  if (n == 0) shapes.palette = 2;
  if (n == 1) shapes.rows[1] = 17;
  if (n == 2) shapes.bytes[1] = 68;
  if (n == 3) shapes.rows[2] = 0;
  if (n == 4) shapes.bytes[8] = 64, shapes.rows[8] = 1;
  if (n == 5) shapes.reserved[3] = 1;
  if (n == 6) shapes.start_row = 1;
  if (n == 7) shapes.rows[1] = 8;
  if (n == 8) shapes.rows[2] = 8;
  if (n == 9) shapes.bytes[2] = 32;
  if (n == 10) shapes.bytes[0] = shapes.bytes[2] = 30;
  if (n != 11) tiles_begin(&shapes);
  if (n == 12) tile_load(4, memory, TILE_BYTES);
  if (n == 13) tile_store(4, memory, TILE_BYTES);
  if (n == 14) tile_zero(4);
  if (n == 15) tiles_end();
  if (n == 16) tile_multiply_bytes(0, 3, 2);
  tile_load(1, memory, TILE_BYTES);
  tile_multiply_pairs(0, n == 17 ? 0 : 1, 2);
}
#endif

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "able") == 0) return !printf("%d\n", tiles_able());
#ifdef RF_EMULATE_AMX
  if (argc == 3 && strcmp(argv[1], "refuse") == 0) return refuse(atoi(argv[2])), 0;
#endif
  const int problems = argc > 1 && tiles_able() ? atoi(argv[1]) : 0, fault = argc > 2;
  int64_t wrong = 0;
  rf_flush_set();
  for (int n = 0; n < problems; n++) {
    draw_problem(n % 2 ? RF_WEIGHT_I8 : RF_WEIGHT_BF16, fault);
    if (fault && p.first == p.end) p.first = 0, p.end = p.vectors;
    run(0, by_tiles);
    if (fault) plant();
    run(1, p.type == RF_WEIGHT_I8 ? by_vnni : by_the_manual);
    wrong += compare() > 0;
    if (p.type == RF_WEIGHT_BF16) run(1, pairs_rows), measure();
#ifdef RF_EMULATE_AMX
    tiles_need(tiles_emulated.shapes.palette == 0, "tiles that nobody released");
#endif
  }
  printf("%lld of %lld numbers differ, in %lld of %d problems; bfloat16 is %.1e away\n", (long long)different,
         (long long)compared, (long long)wrong, problems, sqrt(error / (truth > 0 ? truth : 1)));
  return wrong > 0;
}
