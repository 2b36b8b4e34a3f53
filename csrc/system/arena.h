/* arena.h - memory handed out piece by piece from one block of the caller's. */
#ifndef RF_ARENA_H
#define RF_ARENA_H

#include <stddef.h>
#include <stdint.h>

#define RF_LINE 64 /* bytes of a cache line, to which every piece is aligned, and of a block of hidden units */

/* With base = NULL it only counts, so that the code which uses memory is the code which says how much it needs. */
struct arena {
  char *base;
  size_t used;
};

static inline void *take(struct arena *arena, int64_t count, size_t size) {
  void *memory = arena->base ? arena->base + arena->used : NULL;
  arena->used += ((size_t)count * size + RF_LINE - 1) / RF_LINE * RF_LINE;
  return memory;
}

#endif
