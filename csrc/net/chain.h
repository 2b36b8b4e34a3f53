/* chain.h - the parts of a net as a chain: what each reads is what the one before it gives. */
#ifndef RF_CHAIN_H
#define RF_CHAIN_H

#include <stdint.h>

#include "net/handle.h"

/* Whether parts, each fine in itself, make a chain of one number type. An embedding alone takes indices. */
int32_t rf_chain_check(const struct rf_part_spec *spec, int32_t count, int32_t dtype);

/* Numbers of a row that the first part reads: activations before the first part with a width of its own have that part's.
 * 0 where there are activations alone. */
int64_t rf_chain_width(const struct rf_part_spec *spec, int32_t count);

/* Numbers of a row that a part gives; an activation gives what comes, `from`. */
int64_t rf_chain_outputs(const struct rf_part_spec *part, int64_t from);

/* What a net knows of its parts together. */
rf_net rf_chain_net(const struct rf_part_spec *spec, int32_t count);

#endif
