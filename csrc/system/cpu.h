/* cpu.h - what this processor can do, and the floating-point mode that kernels run in. */
#ifndef RF_CPU_H
#define RF_CPU_H

#include <stdint.h>

enum {
  RF_CPU_AVX2 = 1 << 0,
  RF_CPU_FMA = 1 << 1,
  RF_CPU_AVX512F = 1 << 2,
  RF_CPU_AVX512DQ = 1 << 3,
  RF_CPU_AVX512VL = 1 << 4,
  RF_CPU_AVX512BW = 1 << 5,
  RF_CPU_AVX512VNNI = 1 << 6,
  RF_CPU_AVX512BF16 = 1 << 7,
  RF_CPU_AMX_TILE = 1 << 8,
  RF_CPU_AMX_BF16 = 1 << 9,
  RF_CPU_AMX_INT8 = 1 << 10,
};

/* The flags above that both the processor and the operating system support; 0 on other architectures: NEON needs none, as
 * no 64-bit Arm processor is without it. Not cached, and slow under a hypervisor. */
uint32_t rf_cpu_features(void);

/* The same, asked for once. */
uint32_t rf_cpu_features_once(void);

/* Whether products of bfloat16 by AVX512_BF16 are faster than float32's: AMD's are, twice as many a cycle (Zen 4), Intel's
 * half as many (Emerald Rapids, 88 GFLOP/s beside 176). */
int rf_cpu_pairs(void);

/* Whether this process has AMX's tiles, for bfloat16 and bytes, and AVX512_BF16 and AVX512_VNNI, which make rows for them.
 * The first call asks Linux, which gives them to those alone that ask and from then on wants larger stacks for their signals:
 * so only for products that are of use there. */
int rf_cpu_tiles(void);

/* The name of one flag, e.g. "avx512f"; NULL if there is none. */
const char *rf_cpu_feature_name(uint32_t flag);

/* Bytes of a core's data cache of level 1 or 2, its part where several share one as on Arm; asked for once, a usual size
 * where the system does not say. */
int64_t rf_cpu_cache(int level);

/* Bytes of the processor's caches to reckon with: in L1 for packed weights that rows pass by, in L2 for the gates between
 * two products or for the weights of one. */
struct rf_cache {
  int64_t l1_share, l2_share;
};

/* The mode is set whole, not just the two flush bits: a caller's rounding direction may not change our bits, and its
 * unmasked exceptions may not turn a NaN that flows through into a signal. */
#if defined(__x86_64__) || defined(__i386__)
typedef uint32_t rf_flush_mode;
#define RF_FLUSH_MODE 0x9fc0u /* MXCSR: flush to zero, denormals are zero, every exception masked, round to nearest */
static inline void rf_flush_read(rf_flush_mode *mode) { __asm__ volatile("stmxcsr %0" : "=m"(*mode) : : "memory"); }
static inline void rf_flush_write(const rf_flush_mode *mode) {
  __asm__ volatile("ldmxcsr %0" : : "m"(*mode) : "memory");
}
static inline void rf_cpu_pause(void) { __asm__ volatile("pause"); }
#elif defined(__aarch64__)
typedef uint64_t rf_flush_mode;
#define RF_FLUSH_MODE (UINT64_C(1) << 24) /* FPCR: flush to zero, no traps, round to nearest */
static inline void rf_flush_read(rf_flush_mode *mode) { __asm__ volatile("mrs %0, fpcr" : "=r"(*mode) : : "memory"); }
static inline void rf_flush_write(const rf_flush_mode *mode) {
  __asm__ volatile("msr fpcr, %0" : : "r"(*mode) : "memory");
}
/* Most of these processors take `yield` for nothing; to empty the pipeline is what costs about as long as x86's pause. */
static inline void rf_cpu_pause(void) { __asm__ volatile("isb" : : : "memory"); }
#else
typedef uint32_t rf_flush_mode;
#define RF_FLUSH_MODE 0u
static inline void rf_flush_read(rf_flush_mode *mode) { *mode = RF_FLUSH_MODE; }
static inline void rf_flush_write(const rf_flush_mode *mode) { (void)mode; }
static inline void rf_cpu_pause(void) {}
#endif

/* Enters the mode that kernels run in, subnormals flushed to zero, for good. */
static inline void rf_flush_set(void) {
  static const rf_flush_mode mode = RF_FLUSH_MODE;
  rf_flush_write(&mode);
}

/* The same until rf_flush_restore. What the thread had is kept where it was stored, and nobody looks at it: a load of what
 * stmxcsr has just stored waits until everything before it is done, 8 ns of a small net's step, which would otherwise
 * overlap with the one before. To store and to write the mode costs nothing beside that. */
static inline void rf_flush_on(rf_flush_mode *old) {
  rf_flush_read(old);
  rf_flush_set();
}

static inline void rf_flush_restore(const rf_flush_mode *old) { rf_flush_write(old); }

#endif
