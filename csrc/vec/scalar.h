/* scalar.h - the vector operations on one plain number: every processor runs it, and it says what each one means. */
#ifndef RF_VEC_H_INCLUDED
#define RF_VEC_H_INCLUDED

#include <math.h>
#include <stdint.h>
#include <string.h>

#define VEC_REGISTERS 16 /* decides the tile sizes in tile.h */

#if RF_REAL_BITS == 32
typedef float real;
typedef int32_t real_bits;
#define REAL_EXPONENT 23 /* bits of significand below the exponent field */
#else
typedef double real;
typedef int64_t real_bits;
#define REAL_EXPONENT 52
#endif

typedef real vec;
#define VEC_LANES 1

static inline vec v_load(const real *p) { return *p; }
static inline void v_store(real *p, vec a) { *p = a; }
static inline vec v_load_n(const real *p, int64_t n) { return n > 0 ? *p : 0; } /* lanes from n on: 0, not read */
static inline void v_store_n(real *p, int64_t n, vec a) {                       /* lanes from n on: not written */
  if (n > 0) *p = a;
}
static inline vec v_set1(real a) { return a; }
/* Keeps what was loaded in a register. A compiler may fold a load into every instruction that uses it, and loads are what
 * a tile of few rows runs short of. */
static inline void v_keep(vec *a) { (void)a; }
static inline vec v_add(vec a, vec b) { return a + b; }
static inline vec v_sub(vec a, vec b) { return a - b; }
static inline vec v_mul(vec a, vec b) { return a * b; }
static inline vec v_div(vec a, vec b) { return a / b; }

/* a * b + c and c - a * b: rounded once where the processor does that, otherwise twice. */
#if (defined(__FP_FAST_FMAF) && defined(__FP_FAST_FMA)) || defined(__aarch64__) /* of which clang 14 says nothing */
static inline vec v_fma(vec a, vec b, vec c) { return RF_REAL_BITS == 32 ? (vec)fmaf(a, b, c) : (vec)fma(a, b, c); }
static inline vec v_fnma(vec a, vec b, vec c) { return v_fma(-a, b, c); }
#else
static inline vec v_fma(vec a, vec b, vec c) { return a * b + c; }
static inline vec v_fnma(vec a, vec b, vec c) { return c - a * b; }
#endif

/* The second operand where either is not a number. */
static inline vec v_min(vec a, vec b) { return a < b ? a : b; }
static inline vec v_max(vec a, vec b) { return a > b ? a : b; }

static inline vec v_abs(vec a) { return a < 0 ? -a : a; }
static inline vec v_copysign(vec a, vec s) { return (vec)copysign(a, s); } /* a >= 0 */

/* The low bits of a's significand, moved into the exponent field of a number that is otherwise zero. */
static inline vec v_to_exponent(vec a) {
  real_bits bits;
  memcpy(&bits, &a, sizeof bits);
  bits = (real_bits)((uint64_t)bits << REAL_EXPONENT);
  memcpy(&a, &bits, sizeof bits);
  return a;
}

/* Turns a square of numbers over: of VEC_LANES vectors, lane j of vector i becomes lane i of vector j. */
static inline void v_transpose(vec *m) { (void)m; }

/* x > y ? a : b */
static inline vec v_if_greater(vec x, vec y, vec a, vec b) { return x > y ? a : b; }

#endif
