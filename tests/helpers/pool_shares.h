/* pool_shares.h - regions of the library's pool for pool.c: shares that are each taken once, workers that part together. */
#ifndef POOL_SHARES_H
#define POOL_SHARES_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "system/threads.h"

enum { MOST = 16, STEPS = 50 };

static void expect(int holds, const char *what) {
  if (holds) return;
  puts(what);
  fflush(stdout);
  _exit(1);
}

static void stand_still(long nanoseconds) { nanosleep(&(struct timespec){0, nanoseconds}, NULL); }

static struct rf_barrier barrier;

static rf_host host;
static int32_t lent_most; /* threads of the host's, where there are more than work */
static int64_t patience = 200000000; /* so that they come even where the machine is busy */

static void in_parallel(rf_task task, void *context, int32_t workers) {
  rf_parallel(&(struct rf_region){task, context, workers, patience, 0, &barrier, 0, host, lent_most});
}

/* Every worker of a region, once; and after each barrier what all wrote before it. */
struct shares {
  _Atomic int32_t taken[MOST], workers;
  int32_t written[MOST];
};

static void take_share(void *context, int32_t worker, int32_t workers) {
  struct shares *s = context;
  s->taken[worker]++;
  s->workers = workers;
  for (int32_t step = 0; step < STEPS; step++) {
    s->written[worker] = step;
    expect(!rf_barrier_wait(&barrier, workers, 0), "workers part who may not");
    for (int32_t w = 0; w < workers; w++) expect(s->written[w] == step, "a barrier lets somebody through");
    rf_barrier_wait(&barrier, workers, 0);
  }
}

static void expect_every_share_once(const struct shares *s, int32_t workers) {
  expect(s->workers >= 1 && s->workers <= workers, "more workers than asked for");
  for (int32_t w = 0; w < MOST; w++) expect(s->taken[w] == (w < s->workers), "a share is not taken exactly once");
}

static void every_share_once(int32_t workers) {
  struct shares s = {0};
  in_parallel(take_share, &s, workers);
  expect_every_share_once(&s, workers);
}

/* The last worker stands still once; all must part at the same step, the first after which somebody is told to. */
struct parting {
  _Atomic int32_t steps[MOST], workers;
};

static void part(void *context, int32_t worker, int32_t workers) {
  struct parting *p = context;
  p->workers = workers;
  for (int32_t step = 0; step < STEPS; step++) {
    if (step == 3 && worker == workers - 1 && workers > 1) stand_still(20000000);
    p->steps[worker] = step;
    if (rf_barrier_wait(&barrier, workers, 1)) return;
  }
}

static void workers_part_together(int32_t workers) {
  struct parting p = {0};
  in_parallel(part, &p, workers);
  for (int32_t w = 0; w < p.workers; w++) expect(p.steps[w] == p.steps[0], "workers part at different steps");
  expect(p.workers == 1 || p.steps[0] < STEPS - 1, "workers that wait do not part");
}

#endif
