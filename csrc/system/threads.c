/* threads.c - the pool: threads made when first wanted, each with a mailbox; a forked child starts with none.
 *
 * A region is open to its workers for as long as its caller is patient; then it begins with those who came. Who comes late,
 * because something else had the processor, finds it closed and waits for the next.
 * Another library's threads, where they are to do the work, come to a region by being sent there in place of a mailbox. */
#define _GNU_SOURCE /* sched_yield */
#include "system/threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "system/cpu.h"
#include "system/forks.h"
#include "system/gate.h"
#include "system/processors.h"
#include "system/restraint.h"
#include "system/spawn.h"

enum {
  IDLE_SPIN = 40000,      /* nanoseconds: covers the gap between two calls, then a thread sleeps */
  BEGIN_PATIENCE = 20000, /* of those who came, until all have */
  CALL_PATIENCE = 50000,  /* of the caller, beyond what the region asks for */
  END_PATIENCE = 100000,  /* of the caller, until all are done */
};

/* The roll of a region: its number, whose threads it is for, how many workers it wants, and how many have come; closed to
 * whoever comes later. A thread of the pool that comes late to its own region must not enter another library's. */
#define ROLL_CLOSED (UINT64_C(1) << 31)
#define ROLL_LENT (UINT64_C(1) << 30)
static uint64_t roll_make(uint32_t number, uint64_t whose, int32_t wanted) {
  return (uint64_t)number << 32 | whose | (uint64_t)wanted << 16;
}
static uint32_t roll_number(uint64_t roll) { return (uint32_t)(roll >> 32); }
static uint64_t roll_whose(uint64_t roll) { return roll & ROLL_LENT; }
static int32_t roll_wanted(uint64_t roll) { return (int32_t)(roll >> 16 & 0x3fff); }
static int32_t roll_came(uint64_t roll) { return (int32_t)(roll & 0xffff); }

/* Whoever sets `busy` owns the rest until clearing it. All that threads see is atomic because a fork may come in the
 * midst. */
static struct {
  atomic_bool busy;
  atomic_bool forked; /* this process has none of the threads that libraries had started in its parent */
  _Atomic int32_t threads; /* started, worker w at mailbox[w], w = 1..threads */
  _Atomic(rf_task) task;
  _Atomic(void *) context;
  _Atomic int32_t workers;
  struct rf_restraint restraint[2]; /* of regions that are tight or not */
  _Alignas(64) _Atomic uint64_t roll;
  struct rf_gate begun;   /* the number of the last region that began */
  struct rf_gate pending; /* workers that have not finished it */
  struct rf_gate mailbox[RF_MAX_THREADS]; /* COME or LEAVE */
  pthread_t thread[RF_MAX_THREADS]; /* of worker w, to be joined; a child's, which has none of them, never reads it */
  _Atomic int64_t spin; /* nanoseconds of a thread that waits for mail */
} pool = {.roll = ROLL_CLOSED, .spin = IDLE_SPIN};

enum { COME = 1, LEAVE = 2 };

/* Takes part in the region that is open, if any that wants this worker. */
static void take_part(int32_t mailbox, uint64_t whose) {
  uint64_t roll = atomic_load(&pool.roll);
  do {
    if (roll & ROLL_CLOSED || roll_whose(roll) != whose || mailbox >= roll_wanted(roll)) return;
  } while (!atomic_compare_exchange_weak(&pool.roll, &roll, roll + 1));
  rf_gate_wait(&pool.begun, roll_number(roll) - 1, BEGIN_PATIENCE);
  /* Where all came, each has the share that it had before, and perhaps still has in its cache. */
  const int32_t workers = pool.workers;
  pool.task(pool.context, workers == roll_wanted(roll) ? mailbox : roll_came(roll) + 1, workers);
  rf_gate_count_down(&pool.pending);
}

static void *serve(void *argument) {
  struct rf_gate *mailbox = argument;
  rf_flush_set();
  for (;;) {
    rf_gate_wait(mailbox, 0, pool.spin);
    if (atomic_exchange(&mailbox->word, 0) == LEAVE) break;
    take_part((int32_t)(mailbox - pool.mailbox), 0);
  }
  return NULL;
}

static void gate_clear(struct rf_gate *gate) {
  atomic_store(&gate->word, 0);
  atomic_store(&gate->sleepers, 0);
}

/* The threads of the parent do not exist in a child, whatever its copy of the pool says. */
static void forget_threads(void) {
  rf_gates_after_fork();
  gate_clear(&pool.begun);
  gate_clear(&pool.pending);
  pool.roll = ROLL_CLOSED;
  pool.restraint[0] = pool.restraint[1] = (struct rf_restraint){0};
  pool.threads = 0;
  pool.forked = true;
  pool.busy = false;
}

/* From the start on: a library may have threads before the pool is first used. */
__attribute__((constructor)) static void watch_forks(void) {
  pthread_atfork(NULL, NULL, forget_threads);
  pool.forked = rf_forked();
}

static bool start_thread(int32_t worker) {
  gate_clear(&pool.mailbox[worker]);
  return rf_spawn(&pool.thread[worker], serve, &pool.mailbox[worker]);
}

/* Waits until all who are wanted have come, or the time is up; where there are more of them than processors, they need the
 * caller's, too. */
static void wait_for_all(int32_t wanted, int64_t until) {
  const bool crowded = wanted > rf_processors();
  for (int32_t spins = 1; roll_came(atomic_load(&pool.roll)) < wanted - 1; spins++) {
    if (crowded) sched_yield();
    rf_cpu_pause();
    if ((crowded || spins % 16 == 0) && rf_nanoseconds() >= until) return;
  }
}

/* Begins the region, which is open, with those who come. Returns how many take part, the caller among them. */
static int32_t begin(const struct rf_region *region, int32_t wanted, int64_t now) {
  wait_for_all(wanted, now + region->patience);
  const int32_t came = roll_came(atomic_fetch_or(&pool.roll, ROLL_CLOSED));
  pool.task = region->task;
  pool.context = region->context;
  pool.workers = came + 1;
  pool.pending.word = (uint32_t)came;
  region->barrier->began = rf_nanoseconds();
  rf_gate_open(&pool.begun, pool.begun.word + 1);
  return came + 1;
}

/* Until all are done. Returns how long that took, if it took long. */
static int64_t finish(bool crowded) {
  int64_t waited = 0;
  for (uint32_t pending; (pending = atomic_load_explicit(&pool.pending.word, memory_order_acquire)) > 0;) {
    waited += rf_gate_wait(&pool.pending, pending, crowded ? 0 : END_PATIENCE);
  }
  return waited;
}

/* One region from end to end, on at most `wanted` workers. Returns the nanoseconds that one alone would have saved. */
static int64_t run(const struct rf_region *region, int32_t wanted, int64_t now) {
  const int32_t workers = begin(region, wanted, now);
  const int64_t begun = region->barrier->began;
  const bool crowded = workers > rf_processors();
  region->task(region->context, 0, workers);
  const int64_t waited = finish(crowded) + region->barrier->waited, all = rf_nanoseconds() - begun;
  /* Nobody came, or the caller itself lost its processor to those whom it had called. */
  int64_t lost = workers < wanted || begun - now > 2 * region->patience + CALL_PATIENCE ? begun - now : 0;
  /* One alone takes as long as all together work, and each works as long as the caller. */
  if (region->barrier->parted || waited > (crowded ? all / 2 : all - all / workers)) lost += waited;
  return lost;
}

static void open_region(uint64_t whose, int32_t wanted) { pool.roll = roll_make(pool.begun.word + 1, whose, wanted); }

static int64_t run_on_pool(const struct rf_region *region, int32_t wanted, int64_t now) {
  open_region(0, wanted);
  for (int32_t w = 1; w < wanted; w++) rf_gate_open(&pool.mailbox[w], COME);
  return run(region, wanted, now);
}

/* A region as the threads of another library see it. */
struct hosted {
  const struct rf_region *region;
  pthread_t caller;
  _Atomic int32_t came;
  int32_t wanted;
  int64_t now, lost, done; /* nanoseconds: when it was asked for, what it lost, when its workers were done */
  bool ran;
};

static void work_hosted(void *argument) {
  struct hosted *hosted = argument;
  if (pthread_equal(pthread_self(), hosted->caller)) {
    hosted->lost = run(hosted->region, hosted->wanted, hosted->now);
    hosted->done = rf_nanoseconds();
    hosted->ran = true;
    return;
  }
  rf_flush_mode old;
  rf_flush_on(&old);
  take_part(atomic_fetch_add(&hosted->came, 1) + 1, ROLL_LENT);
  rf_flush_restore(&old);
}

static int64_t run_hosted(const struct rf_region *region, int32_t wanted, int64_t now) {
  struct hosted hosted = {.region = region, .caller = pthread_self(), .wanted = wanted, .now = now};
  const int32_t lent = region->lent < RF_MAX_THREADS ? region->lent : RF_MAX_THREADS;
  open_region(ROLL_LENT, wanted);
  region->host(work_hosted, &hosted, (unsigned)(lent > wanted ? lent : wanted), 0);
  if (!hosted.ran) work_hosted(&hosted); /* whatever the host made of it */
  const int64_t after = rf_nanoseconds() - hosted.done; /* until those have been there who came too late to work */
  return after > END_PATIENCE ? hosted.lost + after : hosted.lost;
}

/* Whether the pool is the caller's now. */
static bool pool_take(void) { return !atomic_exchange(&pool.busy, true); }

static void pool_give_back(void) { atomic_store_explicit(&pool.busy, false, memory_order_release); }

static bool have_threads(int32_t threads) {
  while (pool.threads < threads && start_thread(pool.threads + 1)) pool.threads++;
  return pool.threads >= threads;
}

/* The same for whoever cannot do without it: until the region of another caller is done. */
static void pool_await(void) {
  while (!pool_take()) sched_yield();
}

int rf_pool_start(int32_t threads) {
  pool_await();
  const bool enough = have_threads(threads);
  pool_give_back();
  return enough;
}

void rf_pool_end(void) {
  int old;
  pool_await();
  /* A thread that is cancelled while it joins would leave the pool busy for ever. */
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
  for (int32_t w = 1; w <= pool.threads; w++) rf_gate_open(&pool.mailbox[w], LEAVE);
  for (int32_t w = 1; w <= pool.threads; w++) pthread_join(pool.thread[w], NULL);
  pthread_setcancelstate(old, NULL);
  pool.threads = 0;
  pool_give_back();
}

void rf_pool_set_spin(int64_t nanoseconds) { pool.spin = nanoseconds; }

void rf_parallel(const struct rf_region *region) {
  int32_t workers = region->workers < RF_MAX_THREADS ? region->workers : RF_MAX_THREADS;
  rf_barrier_begin(region->barrier, region->grace);
  if (workers <= 1 || !pool_take()) {
    region->task(region->context, 0, 1);
    return;
  }
  const int64_t now = region->barrier->began;
  struct rf_restraint *restraint = &pool.restraint[region->tight];
  workers = rf_restraint_apply(restraint, workers, now);
  const bool hosted = region->host && !pool.forked;
  const int32_t before = pool.threads;
  if (!hosted) have_threads(workers - 1);
  if (!hosted && workers > pool.threads + 1) workers = pool.threads + 1;
  if (workers > 1) {
    const int64_t lost = (hosted ? run_hosted : run_on_pool)(region, workers, now);
    if (pool.threads == before) rf_restraint_learn(restraint, workers, lost, rf_nanoseconds()); /* else they began */
    pool_give_back();
  } else {
    pool_give_back(); /* for whoever may have more */
    region->task(region->context, 0, 1);
  }
}
