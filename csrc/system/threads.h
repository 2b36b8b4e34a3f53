/* threads.h - a small pool of threads for one parallel region per call, and a barrier to use inside it. */
#ifndef RF_THREADS_H
#define RF_THREADS_H

#include <stdatomic.h>
#include <stdint.h>

enum { RF_MAX_THREADS = 256 };

typedef void (*rf_task)(void *context, int32_t worker, int32_t workers);

/* Calls task(context, w, n) for every w in 0..n-1 at once, w = 0 on the caller's thread, and returns n when all are
 * done: n is `workers`, or fewer where threads cannot be had, 1 while another caller's region holds the pool. A task
 * must therefore do the whole work for any n, with the same result. */
int32_t rf_parallel(int32_t workers, rf_task task, void *context);

/* All zero before its first use; each worker of a region calls rf_barrier_wait the same number of times. The two
 * counters lie in different cache lines, so that arrivals do not disturb those who wait. */
struct rf_barrier {
  _Alignas(64) _Atomic int32_t arrived;
  _Alignas(64) _Atomic uint32_t phase;
};

/* Returns once `workers` workers have come; what each wrote before is seen by all after. */
void rf_barrier_wait(struct rf_barrier *barrier, int32_t workers);

#endif
