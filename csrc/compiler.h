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

/* Keeps what was loaded in a register. A compiler may fold the load into every instruction that uses it, and loads are
 * what a tile of few rows runs short of. */
#ifdef __x86_64__
#define IN_REGISTER(a) __asm__("" : "+v"(a))
#else
#define IN_REGISTER(a) (void)(a)
#endif

#endif
