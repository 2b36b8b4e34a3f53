/* dispatch.h - the choice: which of the compiled kernels serves a problem. */
#ifndef RF_DISPATCH_H
#define RF_DISPATCH_H

#include <stdint.h>

#include "head/head.h"
#include "include/rnnfast.h"
#include "kernel.h"
#include "vec/functions.h"

/* How many cells there are; their ids are below it. */
extern const int32_t rf_cells;

/* Whether a cell projects its h, by what its kernels say. */
int rf_cell_projects(int32_t cell);

/* How many gates a cell has, by what they say, too. */
int32_t rf_cell_gates(int32_t cell);

/* RF_OK, or why there is none; the cell and the number type have been checked. */
int32_t rf_choose_kernel(const rf_problem *p, const struct rf_kernel **kernel);

/* The same cell and number type on vectors half as wide, and still several numbers, where this processor runs such a
 * kernel; else NULL. */
const struct rf_kernel *rf_narrow_kernel(const struct rf_kernel *wide);

int32_t rf_choose_math(int32_t isa, int32_t dtype, const struct rf_math **math);

/* Also says which instruction set RF_ISA_AUTO stands for. */
int32_t rf_choose_head(int32_t *isa, int32_t dtype, const struct rf_head **head);

#endif
