/* gemm.h - packed matrix products: the register tile that all of them share, and C += A B over it (product.c).
 *
 * The order of summation, the same on every instruction set, whatever the tile: k is cut into parts of SUM_BLOCK at
 * most; each is one chain of fused multiply-adds from zero, k ascending, and is added to the result in its turn.
 *
 * B stands in panels, each for a few columns, [k][column]; A is read by rows, wherever they lie. */
#ifndef RF_GEMM_H
#define RF_GEMM_H

#include <stddef.h>

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 24")
#endif
#define INLINE static inline __attribute__((always_inline))
#define NOINLINE static __attribute__((noinline))

#define SUM_BLOCK 64 /* short for accuracy; of it, the widest panels, four float32 AVX2 gates, take 16 KB, half an L1 */

/* A tile is R rows by V panels of G vectors, held in ACCUMULATORS registers at most; the rest hold operands. Fewer rows
 * take more panels, so that enough independent chains hide the latency of a multiply-add. */
#define ACCUMULATORS (VEC_REGISTERS == 32 ? 24 : 12)
#define TILE_ROWS_MOST 6
#define TILE_ROWS(G) (ACCUMULATORS / (G) < TILE_ROWS_MOST ? ACCUMULATORS / (G) : TILE_ROWS_MOST)
#define TILE_FITS(R, V, G) ((R) * (V) * (G) <= ACCUMULATORS)
#define TILE_PANELS(R, G) (TILE_FITS(R, 8, G) ? 8 : TILE_FITS(R, 4, G) ? 4 : TILE_FITS(R, 2, G) ? 2 : 1)

/* Rows of numbers somewhere in memory, each of `segments` stretches of `size` numbers, `stride` apart. */
struct rows {
  const real *const *row;
  int64_t count;
  int64_t segments, size, stride;
};

static inline int64_t rows_width(const struct rows *r) { return r->segments * r->size; }

/* Where a tile stands, and which part of k it sums: `stretches` of `count` numbers, from A's number a_offset and B's
 * panel row b_row on. */
struct tile {
  int64_t row, panel;
  int64_t a_offset, b_row, stretches, count;
  int first, last; /* the first or the last part of k */
};

/* Moves `at` on to the next part of k, of `most` numbers: some whole segments, or a piece of one. 0 when none is left.
 * Start from a tile of zeros. */
static inline int next_part(const struct rows *a, int64_t most, struct tile *at) {
  const int64_t done = at->b_row + at->stretches * at->count;
  if (done == rows_width(a)) return 0;
  const int64_t segment = done / a->size, left = a->size - done % a->size, whole = a->segments - segment;
  at->a_offset = segment * a->stride + done % a->size;
  at->b_row = done;
  at->count = left < most ? left : most;
  at->stretches = a->size > most || left < a->size ? 1 : most / a->size < whole ? most / a->size : whole;
  at->first = done == 0;
  at->last = done + at->stretches * at->count == rows_width(a);
  return 1;
}

/* acc[r][v][g] += sum over k of a[r][k * a_step] * b[v * panel_size + k * G + g], b in vectors, for the tile's part of
 * k; A's stretches lie `stride` apart. Whichever operand needs fewer registers stays in them while the other passes. */
INLINE void tile_multiply(const int R, const int V, const int G, vec *acc, const struct tile *at, const real *const *a,
                          ptrdiff_t a_step, ptrdiff_t stride, const real *b, ptrdiff_t panel_size) {
  const int N = V * G;
  const real *row[TILE_ROWS_MOST];
  vec kept[ACCUMULATORS];
  UNROLL for (int r = 0; r < R; r++) row[r] = a[r] + at->a_offset * a_step;
  b += at->b_row * G * VEC_LANES;
  for (int64_t stretch = 0; stretch < at->stretches; stretch++) {
    for (int64_t k = 0; k < at->count; k++, b += G * VEC_LANES) {
      if (N <= R) {
        UNROLL for (int n = 0; n < N; n++) kept[n] = v_load(b + n / G * panel_size + n % G * VEC_LANES);
        UNROLL for (int r = 0; r < R; r++) {
          const vec left = v_set1(row[r][k * a_step]);
          UNROLL for (int n = 0; n < N; n++) acc[r * N + n] = v_fma(left, kept[n], acc[r * N + n]);
        }
      } else {
        UNROLL for (int r = 0; r < R; r++) kept[r] = v_set1(row[r][k * a_step]);
        UNROLL for (int n = 0; n < N; n++) {
          const vec right = v_load(b + n / G * panel_size + n % G * VEC_LANES);
          UNROLL for (int r = 0; r < R; r++) acc[r * N + n] = v_fma(kept[r], right, acc[r * N + n]);
        }
      }
    }
    UNROLL for (int r = 0; r < R; r++) row[r] += stride;
  }
}

typedef void tile_function(const void *job, const struct tile *at);

/* A function for every R and V in use, both constants, since only then does a compiler keep a tile in registers; one
 * function each, since many in one body spill. In use are the V for many rows, for R rows alone, and 1 at the edge. */
#define TILE_USED(R, V, G)                                                                                             \
  ((R) <= TILE_ROWS(G) && ((V) == 1 || (V) == TILE_PANELS(R, G) || (V) == TILE_PANELS(TILE_ROWS(G), G)))
#define TILE_FUNCTION(name, G, R, V)                                                                                   \
  NOINLINE void name##_##R##x##V(const void *job, const struct tile *at) {                                             \
    if (TILE_USED(R, V, G)) name(R, V, job, at);                                                                       \
  }
#define TILE_FUNCTIONS_OF(name, G, V)                                                                                  \
  TILE_FUNCTION(name, G, 1, V)                                                                                         \
  TILE_FUNCTION(name, G, 2, V)                                                                                         \
  TILE_FUNCTION(name, G, 3, V)                                                                                         \
  TILE_FUNCTION(name, G, 4, V)                                                                                         \
  TILE_FUNCTION(name, G, 5, V)                                                                                         \
  TILE_FUNCTION(name, G, 6, V)                                                                                         \
  static tile_function *const name##_x##V[TILE_ROWS_MOST] = {name##_1x##V, name##_2x##V, name##_3x##V,                 \
                                                             name##_4x##V, name##_5x##V, name##_6x##V};
#define TILE_FUNCTIONS(name, G)                                                                                        \
  TILE_FUNCTIONS_OF(name, G, 1)                                                                                        \
  TILE_FUNCTIONS_OF(name, G, 2)                                                                                        \
  TILE_FUNCTIONS_OF(name, G, 4)                                                                                        \
  TILE_FUNCTIONS_OF(name, G, 8)                                                                                        \
  static const struct tile_family name##_family = {                                                                    \
      G, {name##_x1, name##_x2, NULL, name##_x4, NULL, NULL, NULL, name##_x8}};

struct tile_family {
  int gates;
  tile_function *const *by_panels[8]; /* [V - 1][R - 1] */
};

/* Runs a family over rows x panels for one part of k; panels outside, so that each stays in L1 while rows pass by.
 * Rows are dealt evenly, because a lone last row would leave most of the registers empty. */
INLINE void tiles_run(const struct tile_family *family, int64_t rows, int64_t panels, const void *job, struct tile at) {
  const int G = family->gates, most = TILE_ROWS(G);
  const int64_t tiles = (rows + most - 1) / most;
  if (tiles == 0) return;
  const int wide = tiles > 1 ? TILE_PANELS(most, G) : TILE_PANELS(rows, G);
  for (int64_t panel = 0, width; panel < panels; panel += width) {
    width = panel + wide <= panels ? wide : 1;
    at.panel = panel;
    at.row = 0;
    for (int64_t i = 1, end; i <= tiles; i++, at.row = end) {
      end = rows * i / tiles;
      family->by_panels[width - 1][end - at.row - 1](job, &at);
    }
  }
}

/* C += A B, or C = A B. Columns from `columns` on are neither read nor written. */
struct product {
  struct rows a;
  ptrdiff_t a_step; /* between numbers of a row that follow one another */
  const real *b; /* panels of one vector: [panel][k][lane] */
  real *const *c;
  int64_t columns;
  int overwrite;
};

/* product.c, compiled once for each number type and instruction set: all cells share it. */
void RF_PRODUCT_NAME(const struct product *p);

static inline void product(const struct product *p) { RF_PRODUCT_NAME(p); }

#endif
