/* restraint.c - how many workers a region gets after others used the processors so much that sharing work out was slower.
 *
 * Whether they still do is only found out by trying again, and a trial costs what the last one lost. It comes after many
 * times that, more at every failure, so that all trials together cost a few parts in a hundred. */
#include "system/restraint.h"

#include "system/processors.h"

enum { TIMES_FIRST = 8, TIMES_MOST = 128 };

int32_t rf_restraint_apply(const struct rf_restraint *restraint, int32_t workers, int64_t now) {
  return now < restraint->until && workers > restraint->most ? restraint->most : workers;
}

void rf_restraint_learn(struct rf_restraint *restraint, int32_t workers, int64_t lost, int64_t now) {
  if (lost <= 0) {
    restraint->times = 0;
    return;
  }
  const int32_t processors = rf_processors();
  restraint->times = restraint->times == 0           ? TIMES_FIRST
                     : restraint->times < TIMES_MOST ? 2 * restraint->times
                                                     : TIMES_MOST;
  restraint->most = workers > processors ? processors : workers / 2 > 1 ? workers / 2 : 1;
  restraint->until = now + lost * restraint->times;
}
