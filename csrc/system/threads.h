/* threads.h - a small pool of threads for one parallel region per call. */
#ifndef RF_THREADS_H
#define RF_THREADS_H

#include <stdint.h>

#include "system/barrier.h"

enum { RF_MAX_THREADS = 256 };

typedef void (*rf_host)(void (*work)(void *data), void *data, unsigned threads, unsigned flags); /* rf_team */
typedef void (*rf_task)(void *context, int32_t worker, int32_t workers);

/* A region to be shared out. `barrier` is for its workers to use and cleared before they begin. */
struct rf_region {
  rf_task task;
  void *context;
  int32_t workers;
  int64_t patience; /* nanoseconds to wait for workers to come: half of what one alone would take, say */
  int64_t grace;    /* nanoseconds that they may wait for each other before they part */
  struct rf_barrier *barrier;
  int tight; /* 1: workers wait for each other all the time, 0: hardly ever, so that neighbours do less harm */
  rf_host host; /* whose threads to work on; NULL: the pool's */
  int32_t lent; /* threads to ask a host for where `workers` are fewer: a runtime ends those that it is not asked for */
};

/* Calls task(context, w, n) for every w in 0..n-1 at once, w = 0 on the caller's thread, and returns when all are done: n
 * is `workers`, or fewer where threads cannot be had or do not come, or where sharing out has lately cost more than it
 * gained, and 1 while another caller's region holds the pool. A task must therefore do the whole work for any n, with the
 * same result. */
void rf_parallel(const struct rf_region *region);

/* Starts threads until there are `threads`, 0 where the system gives fewer; ends all of them and returns once they are gone.
 * A thread that has nothing to do spins for so many nanoseconds before it sleeps. */
int rf_pool_start(int32_t threads);
void rf_pool_end(void);
void rf_pool_set_spin(int64_t nanoseconds);

#endif
