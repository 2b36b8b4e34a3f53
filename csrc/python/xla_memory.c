/* xla_memory.c - a few blocks that wait for the next calls, whichever threads these are of. */
#include "python/xla_memory.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

enum { LINE = 64, BLOCKS = 4 };
#define MOST_KEPT ((size_t)64 << 20) /* bytes of a block; larger ones go back to the system at once */

/* Stands in the line before the memory. */
struct block {
  size_t bytes;
};

static _Atomic(struct block *) waiting[BLOCKS];

void *xla_memory_take(size_t bytes) {
  for (int n = 0; n < BLOCKS; n++) {
    struct block *block = atomic_exchange(&waiting[n], NULL);
    if (block != NULL && block->bytes >= bytes) return (char *)block + LINE;
    free(block);
  }
  if (bytes > PTRDIFF_MAX - 2 * LINE) return NULL;
  struct block *made = aligned_alloc(LINE, (LINE + bytes + LINE - 1) / LINE * LINE);
  if (made == NULL) return NULL;
  made->bytes = bytes;
  return (char *)made + LINE;
}

void xla_memory_give(void *memory) {
  if (memory == NULL) return;
  struct block *block = (struct block *)((char *)memory - LINE);
  for (int n = 0; n < BLOCKS && block->bytes <= MOST_KEPT; n++) {
    struct block *none = NULL;
    if (atomic_compare_exchange_strong(&waiting[n], &none, block)) return;
  }
  free(block);
}
