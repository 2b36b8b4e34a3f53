/* restraint.h - how many workers a region gets after others used the processors so much that sharing work out was slower. */
#ifndef RF_RESTRAINT_H
#define RF_RESTRAINT_H

#include <stdint.h>

/* All zero before its first use. */
struct rf_restraint {
  int32_t most; /* workers, until then */
  int32_t times; /* how often in succession it was slower */
  int64_t until;
};

/* At most `workers`, at least 1. */
int32_t rf_restraint_apply(const struct rf_restraint *restraint, int32_t workers, int64_t now);

/* Takes down how a region with that many workers went, of whose time `lost` nanoseconds would have been saved by one worker
 * alone: 0 if none. */
void rf_restraint_learn(struct rf_restraint *restraint, int32_t workers, int64_t lost, int64_t now);

#endif
