/* make.h - a net out of parts, wherever they come from: a caller's record or a file. */
#ifndef RF_MAKE_H
#define RF_MAKE_H

#include <stdint.h>

#include "include/rnnfast.h"
#include "net/handle.h"

/* Checks each part, finds its kernel and makes the net. `spec` is changed: what a call brings is taken out of it. */
int32_t rf_parts_make(struct rf_part_spec *spec, int32_t count, int32_t dtype, int32_t isa, int32_t num_threads,
                      rf_net **net);

#endif
