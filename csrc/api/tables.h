/* tables.h - what was compiled in, from the build's list kernels.inc; for dispatch.c alone. */
#ifndef RF_TABLES_H
#define RF_TABLES_H

#include <stdint.h>

#include "head/head.h"
#include "kernel.h"
#include "system/cpu.h"
#include "vec/functions.h"

#define RF_KERNEL(symbol) extern const struct rf_kernel symbol;
#define RF_MATH(symbol) extern const struct rf_math symbol;
#define RF_HEAD(symbol) extern const struct rf_head symbol;
#include "kernels.inc"

static const char *const cells[] = {
#define RF_CELL(name) name,
#include "kernels.inc"
};

/* Instruction sets, best first, each with the processor features that it needs. */
static const struct {
  const char *name;
  uint32_t needs;
} isas[] = {
#define RF_ISA(name, needs) {name, needs},
#include "kernels.inc"
};

static const struct rf_kernel *const kernels[] = {
#define RF_KERNEL(symbol) &symbol,
#include "kernels.inc"
};

static const struct rf_math *const maths[] = {
#define RF_MATH(symbol) &symbol,
#include "kernels.inc"
};

static const struct rf_head *const heads[] = {
#define RF_HEAD(symbol) &symbol,
#include "kernels.inc"
};

enum {
  CELLS = sizeof cells / sizeof *cells,
  ISAS = sizeof isas / sizeof *isas,
  KERNELS = sizeof kernels / sizeof *kernels,
  MATHS = sizeof maths / sizeof *maths,
  HEADS = sizeof heads / sizeof *heads,
  DTYPES = 2
};

#endif
