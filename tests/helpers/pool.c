/* pool.c - the library's pool of threads by itself: who takes part, who parts, what its threads inherit, forks, and other libraries' threads. */
#define _GNU_SOURCE
#include <pthread.h>

#include "pool_lent.h"
#include "pool_shares.h"
#include "pool_threads.h"
#include "system/processors.h"
#include "system/restraint.h"

/* Two callers at once, of whom one has the pool: the other's region has a single worker. */
static void count(void *context, int32_t worker, int32_t workers) {
  (void)worker, (void)workers;
  (*(_Atomic int32_t *)context)++;
}

static void *call(void *nothing) {
  struct rf_barrier own;
  for (int i = 0; i < 200; i++) {
    _Atomic int32_t workers = 0;
    rf_parallel(&(struct rf_region){count, &workers, 3, 1000000, 0, &own, 1, NULL, 0});
    expect(workers >= 1 && workers <= 3, "a second caller's work is not done");
  }
  return nothing;
}

static void restraint_is_for_a_while(void) {
  struct rf_restraint r = {0};
  expect(rf_restraint_apply(&r, 8, 1000) == 8, "restraint without a reason");
  rf_restraint_learn(&r, 2, 100, 1000);
  expect(rf_restraint_apply(&r, 2, 1001) == 1 && rf_restraint_apply(&r, 1, 1001) == 1, "no restraint");
  const int64_t first = r.until - 1000;
  expect(first >= 100 && rf_restraint_apply(&r, 2, r.until) == 2, "restraint for ever");
  rf_restraint_learn(&r, 2, 100, 1000);
  expect(r.until - 1000 > first, "a second failure counts no more than the first");
  for (int i = 0; i < 100; i++) rf_restraint_learn(&r, 2, 100, 1000);
  expect(r.until - 1000 <= 100 * 1000, "restraint without bounds");
  for (int i = 0; i < 100; i++) rf_restraint_learn(&r, 2, 0, 1000);
  rf_restraint_learn(&r, 2, 100, 1000);
  expect(r.until - 1000 == first, "success counts for nothing");
}

int main(void) {
  alarm(120);
  expect(rf_processors() >= 1 && rf_processors_now() >= 1, "no processor");
  restraint_is_for_a_while();
  in_a_child(a_child_does_without_another_library, 3);
  in_a_child(threads_inherit_nothing, 2);
  in_a_child(threads_are_gone_when_the_pool_has_ended, 4);
  for (int32_t n = 1; n <= MOST; n++) in_a_child(every_share_once, n);
  for (int32_t n = 2; n <= 5; n++) in_a_child(workers_part_together, n);
  patience = 2000000;
  for (int32_t i = 0; i < 300; i++) every_share_once(i % MOST + 1);
  for (int32_t i = 0; i < 10; i++) in_a_child(every_share_once, 3);
  in_a_child(nothing_of_the_parents_is_ended, 3);
  another_librarys_threads_do_the_work();
  whoever_is_late_stays_out(3);
  in_a_child(a_child_does_without_another_library, 3);
  pthread_t other;
  expect(pthread_create(&other, NULL, call, NULL) == 0, "no thread");
  for (int i = 0; i < 100; i++) every_share_once(i % 3 + 1);
  pthread_join(other, NULL);
  puts("all well");
  return 0;
}
