/* spawn.h - a thread that has nothing from the one that starts it: neither its signals nor its processors. */
#ifndef RF_SPAWN_H
#define RF_SPAWN_H

#include <pthread.h>

/* Starts a thread in `function`, to be joined; 0 where there can be none. Signals belong to the program's threads, but for
 * those that a thread raises itself, which would kill the process with no handler called where they are blocked. The thread
 * runs wherever the process might when the library was loaded. */
int rf_spawn(pthread_t *thread, void *(*function)(void *), void *argument);

#endif
