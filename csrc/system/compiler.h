/* compiler.h - what kernels ask of a compiler beyond the language. */
#ifndef RF_COMPILER_H
#define RF_COMPILER_H

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 24")
#endif
#define INLINE static inline __attribute__((always_inline))
#define NOINLINE static __attribute__((noinline))
/* Keeps a variable one, where a compiler would rather count up each address that it is part of. */
#define KEEP(variable) __asm__("" : "+r"(variable))
#define ALIGNED __attribute__((aligned(64))) /* its code, so that its speed is not chance */

#endif
