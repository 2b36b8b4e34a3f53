/* threads.c - the pool: threads made when first wanted, each with a mailbox; a forked child starts with none. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "system/threads.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "system/cpu.h"
#include "include/rnnfast.h"

enum {
  SPINS_BEFORE_YIELD = 2000,      /* there may be more threads than processors */
  IDLE_SPIN_NANOSECONDS = 40000, /* covers the gap between two calls, then a thread sleeps */
};

struct mailbox {
  _Alignas(64) atomic_bool posted;
  pthread_mutex_t lock;
  pthread_cond_t wake;
};

/* Whoever sets `busy` owns the rest until clearing it. All of it is atomic because a fork may come in the midst. */
static struct {
  atomic_bool busy;
  _Atomic int32_t threads; /* started, worker w at mailbox[w], w = 1..threads */
  _Atomic(rf_task) task;
  _Atomic(void *) context;
  _Atomic int32_t workers;
  _Alignas(64) _Atomic int32_t pending; /* workers that have not finished this region */
  struct mailbox mailbox[RF_MAX_THREADS];
} pool;

static void relax(int32_t *spins) {
  if (*spins < SPINS_BEFORE_YIELD) {
    ++*spins;
    rf_cpu_pause();
  } else {
    sched_yield();
  }
}

void rf_barrier_wait(struct rf_barrier *barrier, int32_t workers) {
  uint32_t phase = atomic_load_explicit(&barrier->phase, memory_order_relaxed);
  if (atomic_fetch_add_explicit(&barrier->arrived, 1, memory_order_acq_rel) == workers - 1) {
    atomic_store_explicit(&barrier->arrived, 0, memory_order_relaxed);
    atomic_store_explicit(&barrier->phase, phase + 1, memory_order_release);
    return;
  }
  for (int32_t spins = 0; atomic_load_explicit(&barrier->phase, memory_order_acquire) == phase;) relax(&spins);
}

static int64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void post(struct mailbox *box) {
  pthread_mutex_lock(&box->lock);
  atomic_store_explicit(&box->posted, true, memory_order_release);
  pthread_cond_signal(&box->wake);
  pthread_mutex_unlock(&box->lock);
}

static void collect(struct mailbox *box) {
  int64_t end = nanoseconds() + IDLE_SPIN_NANOSECONDS;
  while (!atomic_load_explicit(&box->posted, memory_order_acquire) && nanoseconds() < end) rf_cpu_pause();
  if (!atomic_load_explicit(&box->posted, memory_order_acquire)) {
    pthread_mutex_lock(&box->lock);
    while (!atomic_load_explicit(&box->posted, memory_order_acquire)) pthread_cond_wait(&box->wake, &box->lock);
    pthread_mutex_unlock(&box->lock);
  }
  atomic_store_explicit(&box->posted, false, memory_order_relaxed);
}

static void *serve(void *argument) {
  struct mailbox *box = argument;
  rf_flush_on();
  for (;;) {
    collect(box);
    pool.task(pool.context, (int32_t)(box - pool.mailbox), pool.workers);
    atomic_fetch_sub_explicit(&pool.pending, 1, memory_order_release);
  }
  return NULL;
}

/* The threads of the parent do not exist in a child, whatever its copy of the pool says. */
static void forget_threads(void) {
  pool.threads = 0;
  pool.busy = false;
}

static void watch_forks(void) { pthread_atfork(NULL, NULL, forget_threads); }

static bool start_thread(struct mailbox *box) {
  pthread_t thread;
  pthread_attr_t detached;
  sigset_t every, old;
  atomic_store_explicit(&box->posted, false, memory_order_relaxed);
  pthread_mutex_init(&box->lock, NULL);
  pthread_cond_init(&box->wake, NULL);
  if (pthread_attr_init(&detached) != 0) return false;
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  sigfillset(&every);
  pthread_sigmask(SIG_SETMASK, &every, &old); /* inherited by the thread: signals belong to the program's threads */
  bool started = pthread_create(&thread, &detached, serve, box) == 0;
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  pthread_attr_destroy(&detached);
  return started;
}

int32_t rf_parallel(int32_t workers, rf_task task, void *context) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  if (workers <= 1 || pthread_once(&once, watch_forks) != 0 || atomic_exchange(&pool.busy, true)) {
    task(context, 0, 1);
    return 1;
  }
  workers = workers < RF_MAX_THREADS ? workers : RF_MAX_THREADS;
  while (pool.threads < workers - 1 && start_thread(&pool.mailbox[pool.threads + 1])) pool.threads++;
  workers = workers <= pool.threads ? workers : pool.threads + 1;
  pool.task = task;
  pool.context = context;
  pool.workers = workers;
  pool.pending = workers - 1;
  for (int32_t w = 1; w < workers; w++) post(&pool.mailbox[w]);
  task(context, 0, workers);
  for (int32_t spins = 0; atomic_load_explicit(&pool.pending, memory_order_acquire) > 0;) relax(&spins);
  atomic_store_explicit(&pool.busy, false, memory_order_release);
  return workers;
}

static int32_t cap(long n) { return n < RF_MAX_THREADS ? (int32_t)n : RF_MAX_THREADS; }

static long available_processors(void) {
#ifdef __linux__
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) return CPU_COUNT(&allowed);
#endif
  long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? online : 1;
}

static int32_t default_threads(void) {
  const char *text = getenv("RNNFAST_NUM_THREADS");
  if (text == NULL || *text == '\0') return cap(available_processors());
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
