/* pool_lent.h - other libraries' threads for pool.c: the work is done however many of them come, and when. */
#ifndef POOL_LENT_H
#define POOL_LENT_H

#include <pthread.h>

#include "pool_shares.h"

/* Other libraries: one that lends as many threads as it is asked for, some of them late, and those that lend none, or not
 * even the caller's. */
static _Atomic int32_t lent, asked;
static long lateness = 3000000; /* nanoseconds */

struct errand {
  void (*work)(void *);
  void *data;
};

static void *run_errand(void *argument) {
  const struct errand *errand = argument;
  if (++lent % 8 == 0) stand_still(lateness);
  errand->work(errand->data);
  return NULL;
}

static void lend(void (*work)(void *), void *data, unsigned threads, unsigned flags) {
  pthread_t thread[MOST];
  struct errand errand = {work, data};
  expect(flags == 0 && threads <= MOST, "a library is asked for what it does not know");
  for (unsigned i = 1; i < threads; i++)
    expect(pthread_create(&thread[i], NULL, run_errand, &errand) == 0, "no thread");
  work(data);
  for (unsigned i = 1; i < threads; i++) pthread_join(thread[i], NULL);
}

static void lend_none(void (*work)(void *), void *data, unsigned threads, unsigned flags) {
  (void)flags;
  asked += threads > 1;
  work(data);
}

static void forget(void (*work)(void *), void *data, unsigned threads, unsigned flags) {
  (void)work, (void)data, (void)flags;
  asked += threads > 1;
}

static void another_librarys_threads_do_the_work(void) {
  static const rf_host others[] = {lend_none, forget};
  host = lend;
  for (int32_t i = 0; i < 50 || lent < 16; i++) every_share_once(i % MOST + 1); /* restraint is for a while */
  lent_most = MOST;
  for (int32_t before = lent, i = 0; i < 50 || lent < before + MOST; i++) every_share_once(i % 3 + 1);
  lent_most = 0;
  for (int32_t n = 2; n <= 5; n++) workers_part_together(n);
  for (int i = 0; i < 2; i++) {
    host = others[i];
    for (asked = 0; asked < 3;) every_share_once(3);
  }
  host = NULL;
}

static void take_share_and_go(void *context, int32_t worker, int32_t workers) {
  struct shares *s = context;
  s->taken[worker]++;
  s->workers = workers;
}

/* Threads of the pool that come too late to a region of their own stay out of one that is another library's. */
static void whoever_is_late_stays_out(int32_t workers) {
  lateness = 0;
  expect(rf_pool_start(MOST), "no threads");
  for (int32_t before = lent; lent < before + 60;) {
    struct shares alone = {0}, all = {0};
    stand_still(8000000); /* restraint is for a while */
    rf_parallel(&(struct rf_region){take_share_and_go, &alone, 2, 0, 0, &barrier, 0, NULL, 0});
    rf_parallel(&(struct rf_region){take_share_and_go, &all, workers, patience, 0, &barrier, 1, lend, 0});
    expect_every_share_once(&all, workers);
  }
}

/* Its threads are the parent's. */
static void a_child_does_without_another_library(int32_t workers) {
  lent = 0;
  host = lend;
  every_share_once(workers);
  expect(lent == 0, "a child asks for threads that its parent has");
}

#endif
