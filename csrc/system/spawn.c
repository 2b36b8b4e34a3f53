/* spawn.c - a thread that has nothing from the one that starts it: neither its signals nor its processors. */
#include "system/spawn.h"

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

int rf_spawn(pthread_t *thread, void *(*function)(void *), void *argument) {
  sigset_t old;
  struct start *start = malloc(sizeof *start);
  if (start == NULL) return 0;
  *start = (struct start){function, argument};
  block_signals(&old);
  const int started = pthread_create(thread, NULL, begin, start) == 0;
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (!started) free(start);
  return started;
}
