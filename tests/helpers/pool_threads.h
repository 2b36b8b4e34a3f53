/* pool_threads.h - the pool's own threads for pool.c: what they inherit, that they are gone when it has ended, and forks. */
#ifndef POOL_THREADS_H
#define POOL_THREADS_H

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include "pool_shares.h"

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

#endif
