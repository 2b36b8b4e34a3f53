/* record.h - callers of every version: their record as this library's own. */
#ifndef RF_RECORD_H
#define RF_RECORD_H

#include <stdint.h>

#include "include/rnnfast.h"

/* Points *p to a whole record: the caller's own or, where that caller knows fewer fields, a copy in `room` with zeros for
 * the others. RF_OK, RF_ERROR_NULL or RF_ERROR_STRUCT_SIZE. */
int32_t rf_record_read(const rf_problem **p, rf_problem *room);

#endif
