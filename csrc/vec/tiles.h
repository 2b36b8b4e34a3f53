/* tiles.h - AMX: registers of 16 rows of 64 bytes, and products of two of them added to a third.
 *
 * A product takes rows of A as they are, and of B rows that hold for each column as many numbers, one after the other, as
 * fill 32 bits: lines of weights (vec/weight_types.h). Numbers of tiles are constants, which instructions name. */
#ifndef RF_TILES_H
#define RF_TILES_H

/* Assemblers know them that came with these compilers. */
#if defined(RF_EMULATE_AMX) || (defined(__linux__) && (defined(__clang__) ? __clang_major__ >= 12 : __GNUC__ >= 11))
#define TILES_THERE 1
#else
#define TILES_THERE 0
static inline int tiles_able(void) { return 0; }
#endif

#ifdef RF_EMULATE_AMX
#include "vec/tiles_emulated.h"
#elif TILES_THERE

#include <stdint.h>
#include "system/compiler.h"
#include "system/cpu.h"
#include "vec/tile_shapes.h"

/* Whether this process has them. */
static inline int tiles_able(void) { return rf_cpu_tiles(); }

/* Gives tiles their shapes, and zeros. */
INLINE void tiles_begin(const struct tile_shapes *shapes) {
  __asm__ volatile("ldtilecfg %0" : : "m"(*shapes) : "memory");
}

/* Without this a thread carries 8 KiB of them through every switch to another. */
INLINE void tiles_end(void) { __asm__ volatile("tilerelease" : : : "memory"); }

/* The instruction for tile `t`, of which CASE(n) is a case. */
#define TILE_SWITCH(t, CASE)                                                                                           \
  switch (t) { CASE(0) CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) default : __builtin_trap(); }

INLINE void tile_zero(const int t) {
#define TILE_ZERO(n)                                                                                                   \
  case n:                                                                                                              \
    __asm__ volatile("tilezero %%tmm" #n : : : "memory");                                                              \
    break;
  TILE_SWITCH(t, TILE_ZERO)
#undef TILE_ZERO
}

/* Rows are `step` bytes from one another. */
INLINE void tile_load(const int t, const void *from, int64_t step) {
#define TILE_LOAD(n)                                                                                                   \
  case n:                                                                                                              \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #n : : "r"(from), "r"(step) : "memory");                             \
    break;
  TILE_SWITCH(t, TILE_LOAD)
#undef TILE_LOAD
}

INLINE void tile_store(const int t, void *to, int64_t step) {
#define TILE_STORE(n)                                                                                                  \
  case n:                                                                                                              \
    __asm__ volatile("tilestored %%tmm" #n ", (%0,%1,1)" : : "r"(to), "r"(step) : "memory");                           \
    break;
  TILE_SWITCH(t, TILE_STORE)
#undef TILE_STORE
}

/* sum += a b, of the tiles that products are made in. */
#define TILE_PRODUCT(name, sum, a, b)                                                                                  \
  case (sum) << 6 | (a) << 3 | (b):                                                                                    \
    __asm__ volatile(name " %%tmm" #b ", %%tmm" #a ", %%tmm" #sum : : : "memory");                                     \
    break;

/* Float32 sums of products of bfloat16, two numbers in 32 bits. */
INLINE void tile_multiply_pairs(const int sum, const int a, const int b) {
  switch (sum << 6 | a << 3 | b) {
    TILE_PRODUCT("tdpbf16ps", 0, 4, 6)
    TILE_PRODUCT("tdpbf16ps", 1, 4, 7)
    TILE_PRODUCT("tdpbf16ps", 2, 5, 6)
    TILE_PRODUCT("tdpbf16ps", 3, 5, 7)
  default:
    __builtin_trap();
  }
}

/* Whole sums of products of bytes with a sign, four numbers in 32 bits. */
INLINE void tile_multiply_bytes(const int sum, const int a, const int b) {
  switch (sum << 6 | a << 3 | b) {
    TILE_PRODUCT("tdpbssd", 0, 6, 7)
    TILE_PRODUCT("tdpbssd", 1, 6, 7)
    TILE_PRODUCT("tdpbssd", 2, 6, 7)
    TILE_PRODUCT("tdpbssd", 3, 6, 7)
  default:
    __builtin_trap();
  }
}

#endif
#endif
