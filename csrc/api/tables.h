/* tables.h - what was compiled in, from the build's list kernels.inc; for dispatch.c alone. */
#ifndef RF_TABLES_H
#define RF_TABLES_H

#include <stdint.h>

#include "kernel.h"
#include "system/cpu.h"
#include "vec/functions.h"

#define NOTHING(...)

#define RF_CELL NOTHING
#define RF_ISA NOTHING
#define RF_KERNEL(symbol) extern const struct rf_kernel symbol;
#define RF_MATH(symbol) extern const struct rf_math symbol;
#include "kernels.inc"
#undef RF_CELL
#undef RF_ISA
#undef RF_KERNEL
#undef RF_MATH

static const char *const cells[] = {
#define RF_CELL(name) name,
#define RF_ISA NOTHING
#define RF_KERNEL NOTHING
#define RF_MATH NOTHING
#include "kernels.inc"
#undef RF_CELL
#undef RF_ISA
#undef RF_KERNEL
#undef RF_MATH
};

/* Instruction sets, best first, each with the processor features that it needs. */
static const struct {
  const char *name;
  uint32_t needs;
} isas[] = {
#define RF_CELL NOTHING
#define RF_ISA(name, needs) {name, needs},
#define RF_KERNEL NOTHING
#define RF_MATH NOTHING
#include "kernels.inc"
#undef RF_CELL
#undef RF_ISA
#undef RF_KERNEL
#undef RF_MATH
};

static const struct rf_kernel *const kernels[] = {
#define RF_CELL NOTHING
#define RF_ISA NOTHING
#define RF_KERNEL(symbol) &symbol,
#define RF_MATH NOTHING
#include "kernels.inc"
#undef RF_CELL
#undef RF_ISA
#undef RF_KERNEL
#undef RF_MATH
};

static const struct rf_math *const maths[] = {
#define RF_CELL NOTHING
#define RF_ISA NOTHING
#define RF_KERNEL NOTHING
#define RF_MATH(symbol) &symbol,
#include "kernels.inc"
#undef RF_CELL
#undef RF_ISA
#undef RF_KERNEL
#undef RF_MATH
};

#undef NOTHING

enum {
  CELLS = sizeof cells / sizeof *cells,
  ISAS = sizeof isas / sizeof *isas,
  KERNELS = sizeof kernels / sizeof *kernels,
  MATHS = sizeof maths / sizeof *maths,
  DTYPES = 2
};

#endif
