/* barrier.c - where the workers of a region wait for each other, and part where waiting takes longer than working alone. */
#include "system/barrier.h"

#include <string.h>

#include "system/processors.h"

enum {
  PATIENCE = 100000, /* nanoseconds: more than shares of a step differ by, less than a descheduled thread's absence */
  TRIAL = 1000000, /* nanoseconds of waiting that more workers than processors are granted */
};

void rf_barrier_begin(struct rf_barrier *barrier, int64_t grace) {
  memset(barrier, 0, sizeof *barrier);
  barrier->began = rf_nanoseconds();
  barrier->grace = grace;
}

/* One alone is no faster before half of the time is spent on waiting. Workers without a processor each wait anyhow. */
static int should_part(struct rf_barrier *barrier, int crowded) {
  const int64_t waited = atomic_load_explicit(&barrier->waited, memory_order_relaxed);
  if (waited <= barrier->grace || (crowded && waited <= TRIAL)) return 0;
  return waited > (rf_nanoseconds() - barrier->began) / 2;
}

int rf_barrier_wait(struct rf_barrier *barrier, int32_t workers, int may_part) {
  const uint32_t phase = atomic_load_explicit(&barrier->phase.word, memory_order_relaxed);
  const int32_t before = atomic_fetch_add_explicit(&barrier->arrived, 1, memory_order_acq_rel);
  const int crowded = workers > rf_processors();
  if (before == workers - 1) {
    atomic_store_explicit(&barrier->arrived, 0, memory_order_relaxed);
    if (may_part && should_part(barrier, crowded)) atomic_store_explicit(&barrier->parted, 1, memory_order_relaxed);
    rf_gate_open(&barrier->phase, phase + 1);
  } else {
    const int64_t waited = rf_gate_wait(&barrier->phase, phase, crowded ? 0 : PATIENCE);
    if (waited > 0 && before == 0) atomic_fetch_add_explicit(&barrier->waited, waited, memory_order_relaxed);
  }
  return atomic_load_explicit(&barrier->parted, memory_order_relaxed);
}
