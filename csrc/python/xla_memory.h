/* xla_memory.h - memory of a call from XLA, kept for the next one: pages that the system takes back cost more than small
 * nets do. */
#ifndef RF_XLA_MEMORY_H
#define RF_XLA_MEMORY_H

#include <stddef.h>

/* At least so many bytes from a multiple of 64 on, which nobody else has; NULL where there is no memory. */
void *xla_memory_take(size_t bytes);

/* Gives back what was taken; nothing for NULL. */
void xla_memory_give(void *memory);

#endif
