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

struct rf_plan rf_plan_place(const rf_problem *p, int reverse, int64_t row_from, int64_t row_to, struct arena *arena) {
  const int64_t visits = p->t1 - p->t0, rows = visits * (row_to - row_from);
  struct rf_plan plan = {.t0 = p->t0, .t1 = p->t1, .row_from = row_from, .row_to = row_to, .reverse = reverse};
  plan.start = take(arena, visits + 1, sizeof *plan.start);
  plan.row = take(arena, rows, sizeof *plan.row);
  plan.previous = take(arena, rows, sizeof *plan.previous);
  plan.last = take(arena, p->batch, sizeof *plan.last);
  return plan;
}

void rf_plan_fill(const rf_problem *p, const struct rf_plan *plan) {
  int64_t *start = (int64_t *)plan->start, n = 0;
  int32_t *row = (int32_t *)plan->row, *previous = (int32_t *)plan->previous, *last = (int32_t *)plan->last;
  const int64_t visits = plan->t1 - plan->t0;
  for (int64_t b = plan->row_from; b < plan->row_to; b++) last[b] = RF_FROM_START;
  for (int64_t visit = 0; visit < visits; visit++) {
    const int64_t t = rf_plan_step(plan, visit);
    start[visit] = n;
    for (int64_t b = plan->row_from; b < plan->row_to; b++) {
      if (!plan->reverse && cut(p, t, b)) last[b] = RF_FROM_ZEROS;
      if (live(p, t, b)) {
        row[n] = (int32_t)b;
        previous[n++] = last[b];
        last[b] = (int32_t)t;
      }
      if (plan->reverse && t > 0 && cut(p, t, b)) last[b] = RF_FROM_ZEROS;
    }
  }
  start[visits] = n;
}
