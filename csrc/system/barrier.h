/* barrier.h - where the workers of a region wait for each other, and part where waiting takes longer than working alone. */
#ifndef RF_BARRIER_H
#define RF_BARRIER_H

#include <stdatomic.h>
#include <stdint.h>

#include "system/gate.h"

/* Each worker of a region calls rf_barrier_wait the same number of times. The counter and the gate lie in different cache
 * lines, so that arrivals do not disturb those who wait. */
struct rf_barrier {
  _Alignas(64) _Atomic int32_t arrived;
  _Atomic int32_t parted;
  _Atomic int64_t waited; /* nanoseconds, by the first to come, where it took longer than patience */
  int64_t began, grace;
  struct rf_gate phase;
};

/* Before a region, in which `grace` nanoseconds of waiting are no reason to part. */
void rf_barrier_begin(struct rf_barrier *barrier, int64_t grace);

/* Returns once `workers` workers have come; what each wrote before is seen by all after. Where others use the processors, a
 * worker may stand still for longer than the work takes: then, if `may_part`, it returns 1, for all of them at the same
 * call, and worker 0 is to go on alone. */
int rf_barrier_wait(struct rf_barrier *barrier, int32_t workers, int may_part);

#endif
