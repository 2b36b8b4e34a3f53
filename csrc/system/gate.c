/* gate.c - how a thread waits for another: it spins briefly, then yields its processor, then sleeps. */
#define _GNU_SOURCE /* syscall */
#include "system/gate.h"

#include <sched.h>
#include <time.h>

#include "system/cpu.h"

enum {
  SPINS_BY_HEART = 100, /* before the clock is asked */
  SPINS_A_LOOK = 20,    /* from one look at the clock to the next */
  YIELDS = 4,           /* where there are more threads than processors, the next one's turn may be all it takes */
};

int64_t rf_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* In the one order of all such accesses: whoever has counted himself among the sleepers must not see an older word. */
static int closed(struct rf_gate *gate, uint32_t old) { return atomic_load(&gate->word) == old; }

#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

static void sleep_while(struct rf_gate *gate, uint32_t old) {
  while (closed(gate, old)) syscall(SYS_futex, &gate->word, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
}

static void wake(struct rf_gate *gate) {
  syscall(SYS_futex, &gate->word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

void rf_gates_after_fork(void) {}

#else
#include <pthread.h>

/* One for all gates: who sleeps is in no hurry. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void sleep_while(struct rf_gate *gate, uint32_t old) {
  pthread_mutex_lock(&lock);
  while (closed(gate, old)) pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
}

static void wake(struct rf_gate *gate) {
  (void)gate;
  pthread_mutex_lock(&lock);
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
}

void rf_gates_after_fork(void) {
  pthread_mutex_init(&lock, NULL);
  pthread_cond_init(&changed, NULL);
}
#endif

/* Whether the gate is still closed after that time. */
static int spin(struct rf_gate *gate, uint32_t old, int64_t from, int64_t patience) {
  do {
    for (int i = 0; i < SPINS_A_LOOK; i++) {
      if (!closed(gate, old)) return 0;
      rf_cpu_pause();
    }
  } while (rf_nanoseconds() - from < patience); /* a sum might overflow: whoever is asked to spin for ever does */
  return closed(gate, old);
}

int64_t rf_gate_wait(struct rf_gate *gate, uint32_t old, int64_t patience) {
  for (int i = 0; i < SPINS_BY_HEART && patience > 0; i++) {
    if (!closed(gate, old)) return 0;
    rf_cpu_pause();
  }
  if (!closed(gate, old)) return 0;
  const int64_t from = rf_nanoseconds();
  if (patience > 0 && !spin(gate, old, from, patience)) return 0;
  for (int i = 0; i < YIELDS && closed(gate, old); i++) sched_yield();
  if (closed(gate, old)) {
    /* In this order, as rf_gate_open has it the other way round: one of both sees the other. */
    atomic_fetch_add(&gate->sleepers, 1);
    sleep_while(gate, old);
    atomic_fetch_sub(&gate->sleepers, 1);
  }
  return rf_nanoseconds() - from;
}

void rf_gate_open(struct rf_gate *gate, uint32_t word) {
  atomic_store(&gate->word, word);
  if (atomic_load(&gate->sleepers) > 0) wake(gate);
}

void rf_gate_count_down(struct rf_gate *gate) {
  if (atomic_fetch_sub(&gate->word, 1) == 1 && atomic_load(&gate->sleepers) > 0) wake(gate);
}
