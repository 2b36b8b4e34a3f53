/* narrow.h - products with weights of narrow types, compiled once for each instruction set: all cells share it. */
#ifndef RF_NARROW_H
#define RF_NARROW_H

#include <stddef.h>
#include <stdint.h>
#include RF_VEC_H
#include "product/operands.h"
#include "vec/weight_types.h"

/* Rows of W as many as a vector has lanes are a vector's columns. Vectors lie in strips of eight, the last of fewer: lines
 * one after the other (vec/weight_types.h), each of all vectors of its strip. */
#define STRIP_VECTORS 8

/* to[r] = bias + A W^T or, without a bias, to[r] + A W^T, or nothing but the product. */
struct product_narrow {
  struct rows a;
  int64_t part; /* numbers that one chain sums */
  int32_t type; /* of vec/weight_types.h */
  int rounds; /* by which products, of those that round rows to the type; narrow_rounds says it of a batch */
  const real *packed, *scale; /* whole matrices: lines, and of RF_WEIGHT_I8 a number for every column */
  int64_t first, end, vectors; /* those wanted, and all there are */
  int gates, slot,
      slots; /* vector n: gate n % gates of panel n / gates, which is slot `slot` + gate of a row of `to` */
  const real *bias; /* a row as those of `to`, or NULL */
  int overwrite;
  int backwards; /* from the last strip to the first: what a product read last may still be near for the next one */
  real *const *to;
  void *room; /* of narrow_room_bytes, or NULL where that is 0 or rows are few */
};

/* By which products a batch has so many rows that they are rounded to the type of the weights, because the processor has
 * products that take both so: none, AVX512_BF16's or AMX's, as rf_rounds_rows has them. */
enum { NARROW_WIDENED, NARROW_PAIRS, NARROW_TILES };
#define ROUNDS_NAME_OF(name) name##_rounds
#define ROUNDS_NAME(name) ROUNDS_NAME_OF(name)

/* Memory for a product of up to so many rows: no less for more of them. */
#define ROOM_NAME_OF(name) name##_room
#define ROOM_NAME(name) ROOM_NAME_OF(name)

#if RF_REAL_BITS == 32
size_t ROOM_NAME(RF_NARROW_NAME)(int32_t type, int64_t rows);
void RF_NARROW_NAME(const struct product_narrow *p);
int ROUNDS_NAME(RF_NARROW_NAME)(int32_t type, int64_t batch);

static inline void product_narrow(const struct product_narrow *p) { RF_NARROW_NAME(p); }
static inline int narrow_rounds(int32_t type, int64_t batch) { return ROUNDS_NAME(RF_NARROW_NAME)(type, batch); }
static inline size_t narrow_room_bytes(int32_t type, int64_t rows) { return ROOM_NAME(RF_NARROW_NAME)(type, rows); }
#else /* weights of float64 have that type alone: never called */
static inline void product_narrow(const struct product_narrow *p) {
  (void)p;
  __builtin_trap();
}
static inline int narrow_rounds(int32_t type, int64_t batch) {
  (void)type, (void)batch;
  return NARROW_WIDENED;
}
static inline size_t narrow_room_bytes(int32_t type, int64_t rows) {
  (void)type, (void)rows;
  return 0;
}
#endif

/* How many the strip of a vector has, and numbers from one of its lines to the next. */
static inline int64_t strip_vectors(int64_t all, int64_t vector) {
  const int64_t left = all - vector / STRIP_VECTORS * STRIP_VECTORS;
  return left < STRIP_VECTORS ? left : STRIP_VECTORS;
}
static inline int64_t strip_step(const struct product_narrow *p, int64_t vector) {
  return strip_vectors(p->vectors, vector) * VEC_LANES;
}

/* The first line of a vector. */
static inline const real *strip_lines(const struct product_narrow *p, int64_t vector) {
  const int64_t lines = p->a.segments * rf_weight_lines(p->a.size, p->type), within = vector % STRIP_VECTORS;
  return p->packed + (vector - within) * lines * VEC_LANES + within * VEC_LANES;
}

/* How many vectors a tile from `vector` on takes, as a power of two, `most` at most: of one strip, and wanted. */
static inline int strip_width(const struct product_narrow *p, int64_t vector, int most) {
  int64_t left = STRIP_VECTORS - vector % STRIP_VECTORS;
  if (left > p->end - vector) left = p->end - vector;
  while (1 << most > left) most--;
  return most;
}

#endif
