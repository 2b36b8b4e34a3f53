/* pool.c - the library's pool of threads by itself: who takes part, who parts, what its threads inherit, forks, and other libraries' threads. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "system/processors.h"
#include "system/restraint.h"
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

static pthread_t caller;
static sigset_t blocked;
static cpu_set_t mask;

static void look(void *context, int32_t worker, int32_t workers) {
  (void)workers;
  if (worker == 0) return;
  expect(!pthread_equal(pthread_self(), caller), "a worker runs on the caller's thread");
  pthread_sigmask(SIG_SETMASK, NULL, &blocked);
  sched_getaffinity(0, sizeof mask, &mask);
  *(_Atomic int32_t *)context = 1;
}

/* The first region of the process is called from a thread that is pinned to one processor and blocks no signal. */
static void threads_inherit_nothing(int32_t workers) {
  cpu_set_t all, one;
  _Atomic int32_t looked = 0;
  sched_getaffinity(0, sizeof all, &all);
  CPU_ZERO(&one);
  for (int i = 0; CPU_COUNT(&one) == 0; i++) {
    if (CPU_ISSET(i, &all)) CPU_SET(i, &one);
  }
  sched_setaffinity(0, sizeof one, &one);
  caller = pthread_self();
  for (int i = 0; i < 20 && !looked; i++) in_parallel(look, &looked, workers);
  sched_setaffinity(0, sizeof all, &all);
  if (!looked) return; /* nobody came, on a machine that has no time */
  expect(CPU_EQUAL(&mask, &all), "a thread is pinned where the first caller was");
  expect(sigismember(&blocked, SIGINT) && sigismember(&blocked, SIGTERM), "a thread takes the program's signals");
  const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
  for (int i = 0; i < 4; i++) expect(!sigismember(&blocked, own[i]), "a thread blocks signals that it raises itself");
}

/* What a thread runs on its way out, slowly: whoever has ended the pool must find all of it done. */
static pthread_key_t leaving;
static _Atomic int32_t came, left;

static void leave(void *nothing) {
  (void)nothing;
  stand_still(50000000);
  left++;
}

static void enter(void *context, int32_t worker, int32_t workers) {
  (void)workers;
  if (worker == 0 || pthread_getspecific(leaving) != NULL) return;
  came++;
  pthread_setspecific(leaving, context);
}

static void *end_pool(void *nothing) {
  rf_pool_end();
  return nothing;
}

/* Ended by one thread, by two at once, by one that is cancelled meanwhile, and where there is nothing to end. */
static void threads_are_gone_when_the_pool_has_ended(int32_t workers) {
  expect(pthread_key_create(&leaving, leave) == 0, "no key");
  for (int round = 0; round < 4; round++) {
    pthread_t other;
    expect(rf_pool_start(workers - 1), "no threads");
    in_parallel(enter, &leaving, workers);
    if (round > 0) expect(pthread_create(&other, NULL, end_pool, NULL) == 0, "no thread");
    if (round == 2) pthread_cancel(other);
    if (round < 3) rf_pool_end();
    if (round > 0) pthread_join(other, NULL);
    rf_pool_end();
    expect(left == came, "a thread is still there");
  }
}

/* In a child, which begins with a pool of its own and knows of no restraint. */
static void in_a_child(void (*function)(int32_t), int32_t argument) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    function(argument);
    fflush(stdout);
    _exit(0);
  }
  int status;
  expect(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0, "a child fails");
}

/* A child of a parent with threads has none of them to join, and begins anew. */
static void nothing_of_the_parents_is_ended(int32_t workers) {
  rf_pool_end();
  every_share_once(workers);
}

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
