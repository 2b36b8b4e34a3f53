/* record.c - callers of every version: their record as this library's own. */
#include "api/record.h"

#include <stddef.h>
#include <string.h>

/* The first record of which later ones are continuations ended here. */
#define OLDEST_SIZE (offsetof(rf_problem, packed_bytes) + sizeof(size_t))

int32_t rf_record_read(const rf_problem **p, rf_problem *room) {
  if (*p == NULL) return RF_ERROR_NULL;
  const size_t size = (*p)->struct_size;
  if (size == sizeof **p) return RF_OK;
  if (size < OLDEST_SIZE || size > sizeof **p) return RF_ERROR_STRUCT_SIZE;
  memset(room, 0, sizeof *room);
  memcpy(room, *p, size);
  *p = room;
  return RF_OK;
}
