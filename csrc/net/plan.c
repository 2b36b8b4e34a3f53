/* plan.c - which rows are live at which step, and where their states come from: lengths, mask and resets resolved. */
#include "net/plan.h"

static int within(const rf_problem *p, int64_t t, int64_t b) { return !p->lengths || t < p->lengths[b]; }

static int live(const rf_problem *p, int64_t t, int64_t b) {
  return within(p, t, b) && (!p->mask || p->mask[t * p->batch + b]);
}

/* A reset at step t cuts between t - 1 and t, at masked steps too, but not beyond a row's length. */
static int cut(const rf_problem *p, int64_t t, int64_t b) {
  return p->resets && p->resets[t * p->batch + b] && within(p, t, b);
}

struct rf_plan rf_plan_make(const rf_problem *p, int reverse, int64_t row_from, int64_t row_to, struct arena *arena) {
  const int64_t visits = p->t1 - p->t0;
  int64_t *start = take(arena, visits + 1, sizeof *start);
  int32_t *row = take(arena, visits * (row_to - row_from), sizeof *row);
  int32_t *previous = take(arena, visits * (row_to - row_from), sizeof *previous);
  int32_t *last = take(arena, p->batch, sizeof *last);
  const struct rf_plan plan = {p->t0, p->t1, row_from, row_to, reverse, start, row, previous, last};
  if (!arena->base) return plan;
  int64_t n = 0;
  for (int64_t b = row_from; b < row_to; b++) last[b] = RF_FROM_START;
  for (int64_t visit = 0; visit < visits; visit++) {
    const int64_t t = rf_plan_step(&plan, visit);
    start[visit] = n;
    for (int64_t b = row_from; b < row_to; b++) {
      if (!reverse && cut(p, t, b)) last[b] = RF_FROM_ZEROS;
      if (live(p, t, b)) {
        row[n] = (int32_t)b;
        previous[n++] = last[b];
        last[b] = (int32_t)t;
      }
      if (reverse && t > 0 && cut(p, t, b)) last[b] = RF_FROM_ZEROS;
    }
  }
  start[visits] = n;
  return plan;
}
