/* xla_sizes.h - whether the arrays of a call from XLA are as large as its net needs, and of the right type. */
#ifndef RF_XLA_SIZES_H
#define RF_XLA_SIZES_H

#include "python/xla_arrays.h"

/* Returns NULL, or the name of an array that is not what `problem`, whose sizes are filled in and have been checked,
 * would read or write. */
const char *xla_sizes_wrong(const struct xla_given *given, const rf_problem *problem);

#endif
