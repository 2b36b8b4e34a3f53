/* thread_calls.c - the public calls on the number of threads, and on those that wait for work. */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "include/rnnfast.h"
#include "system/processors.h"
#include "system/threads.h"

static int32_t cap(long n) { return n < RF_MAX_THREADS ? (int32_t)n : RF_MAX_THREADS; }

static int32_t default_threads(void) {
  const char *text = getenv("RNNFAST_NUM_THREADS");
  if (text == NULL || *text == '\0') return cap(rf_processors_now());
  char *end;
  long n = strtol(text, &end, 10);
  return *end == '\0' && n >= 1 ? cap(n) : -RF_ERROR_RANGE;
}

static _Atomic int32_t num_threads; /* 0: not decided yet */

int32_t rf_set_num_threads(int32_t n) {
  if (n < 1) return RF_ERROR_RANGE;
  num_threads = cap(n);
  return RF_OK;
}

int32_t rf_get_num_threads(void) {
  int32_t n = atomic_load_explicit(&num_threads, memory_order_relaxed), undecided = 0;
  if (n == 0) {
    n = default_threads();
    /* A number set meanwhile by another thread wins. */
    n = atomic_compare_exchange_strong(&num_threads, &undecided, n) ? n : undecided;
  }
  return n;
}

int32_t rf_threads_warm_up(int32_t n) {
  if (n < 1) return RF_ERROR_RANGE;
  return rf_pool_start(cap(n) - 1) ? RF_OK : RF_ERROR_MEMORY;
}

int32_t rf_threads_shut_down(void) {
  rf_pool_end();
  return RF_OK;
}

int32_t rf_threads_set_spin(int64_t nanoseconds) {
  if (nanoseconds < 0) return RF_ERROR_RANGE;
  rf_pool_set_spin(nanoseconds);
  return RF_OK;
}
