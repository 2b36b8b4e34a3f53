/* plan.h - which rows are live at which step, and where their states come from: lengths, mask and resets resolved. */
#ifndef RF_PLAN_H
#define RF_PLAN_H

#include <stdint.h>

#include "include/rnnfast.h"
#include "layer/layer.h"
#include "system/arena.h"

/* The plan of one direction for steps [p->t0, p->t1) and rows [row_from, row_to), in memory from `arena` (only counted
 * where that has none). */
struct rf_plan rf_plan_make(const rf_problem *p, int reverse, int64_t row_from, int64_t row_to, struct arena *arena);

#endif
