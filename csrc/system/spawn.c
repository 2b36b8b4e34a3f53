/* spawn.c - a thread that has nothing from the one that starts it: neither its signals nor its processors. */
#include "system/spawn.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "system/processors.h"

struct start {
  void *(*function)(void *);
  void *argument;
};

static void *begin(void *memory) {
  const struct start start = *(struct start *)memory;
  free(memory);
  rf_processors_use_all();
  return start.function(start.argument);
}

/* A thread inherits what its maker blocks. */
static void block_signals(sigset_t *old) {
  static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
  sigset_t signals;
  sigfillset(&signals);
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) sigdelset(&signals, own[i]);
  pthread_sigmask(SIG_SETMASK, &signals, old);
}

int rf_spawn(void *(*function)(void *), void *argument) {
  pthread_t thread;
  pthread_attr_t detached;
  sigset_t old;
  struct start *start = malloc(sizeof *start);
  if (start == NULL) return 0;
  *start = (struct start){function, argument};
  if (pthread_attr_init(&detached) != 0) {
    free(start);
    return 0;
  }
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  block_signals(&old);
  const int started = pthread_create(&thread, &detached, begin, start) == 0;
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  pthread_attr_destroy(&detached);
  if (!started) free(start);
  return started;
}
