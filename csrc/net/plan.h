/* plan.h - which rows are live at which step, and where their states come from: lengths, mask and resets resolved. */
#ifndef RF_PLAN_H
#define RF_PLAN_H

#include <stdint.h>

#include "include/rnnfast.h"
#include "layer/layer.h"
#include "system/arena.h"

/* The plan of one direction for steps [p->t0, p->t1) and rows [row_from, row_to), in memory from `arena`: where it lies,
 * and, once it is known that there is such memory, what it says. */
struct rf_plan rf_plan_place(const rf_problem *p, int reverse, int64_t row_from, int64_t row_to, struct arena *arena);
void rf_plan_fill(const rf_problem *p, const struct rf_plan *plan);

#endif
